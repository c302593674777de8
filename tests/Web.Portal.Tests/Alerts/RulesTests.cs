using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Alerts;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Alerts;

/// <summary>Rules, mutes, quiet hours and what is over, over the API and on the pages.</summary>
public sealed class RulesTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync([new("Portal:PublicUrl", "https://portal.example")]);

    public async ValueTask DisposeAsync() => await _product.DisposeAsync();

    private async Task<JsonElement> ApiAsync(HttpMethod method, string path, object? body = null, int status = 200)
    {
        using var answer = await _product.ApiAsync(method, path, body is null ? null : JsonContent.Create(body));
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(status, text);
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    private static string Words(JsonElement answer) => answer.GetProperty("errors").EnumerateObject().Single() is var error ? $"{error.Name}: {error.Value[0].GetString()}" : "";

    private async Task TellAsync(string title, string? condition = null, AlertSeverity severity = AlertSeverity.Warning, AlertKind kind = AlertKind.SpendSpike) =>
        (await _product.Services.GetRequiredService<IAlertBook>().TellAsync(
            new AlertDraft(_product.TenantId, title, kind, severity, new AlertSubject("tag", "customer", "acme"), title, "Look.", "/explore", [new("Spent", "$3.00")], DateTimeOffset.UtcNow, condition), TestContext.Current.CancellationToken)).ShouldBeTrue();

    private static async Task<string> SubmitAsync(PortalVisitor visitor, string path, params (string Name, string Value)[] fields)
    {
        using var answer = await visitor.PostAsync(path, [.. fields.Select(f => KeyValuePair.Create(f.Name, f.Value))]);
        return answer.StatusCode == HttpStatusCode.Found ? await visitor.ReadAsync(answer.Headers.Location!.OriginalString) : await answer.Content.ReadAsStringAsync();
    }

    [Fact]
    public async Task Rules_quiet_hours_and_mutes_are_kept_over_the_API()
    {
        var scope = new { type = "tag", key = "customer", value = "acme" };
        var rule = (await ApiAsync(HttpMethod.Post, "alert-rules", new { kind = "spend.spike", scope, floor_usd = "2.5", ratio = 3 }, 201)).GetProperty("id").GetString()!;
        Words(await ApiAsync(HttpMethod.Post, "alert-rules", new { kind = "spend.spike", scope = new { type = "tenant" }, floor_usd = "0" }, 422)).ShouldBe("floor_usd: The floor is 0.01 to 1,000,000 dollars an hour.");
        Words(await ApiAsync(HttpMethod.Post, "alert-rules", new { kind = "nothing", scope }, 422)).ShouldStartWith("kind: kind is one of budget.threshold");
        Words(await ApiAsync(HttpMethod.Post, "alert-rules", new { kind = "key.awake", scope = new { type = "team" } }, 422)).ShouldStartWith("scope: A scope is");
        (await ApiAsync(HttpMethod.Post, "alert-rules", new { kind = "spend.spike", scope }, 409)).GetProperty("title").GetString().ShouldBe("rule_exists");
        var list = await ApiAsync(HttpMethod.Get, "alert-rules");
        list.GetProperty("data")[0].GetProperty("terms").GetProperty("floor_usd").GetString().ShouldBe("2.5");
        list.GetProperty("data")[0].GetProperty("scope").GetProperty("key").GetString().ShouldBe("customer");
        list.GetProperty("defaults").GetProperty("ratio").GetDecimal().ShouldBe(2);
        await ApiAsync(HttpMethod.Put, $"alert-rules/{rule}", new { on = false }, 204);
        (await ApiAsync(HttpMethod.Get, "alert-rules")).GetProperty("data")[0].GetProperty("terms").GetProperty("on").GetBoolean().ShouldBeFalse();
        await ApiAsync(HttpMethod.Delete, $"alert-rules/{rule}", status: 204);
        await ApiAsync(HttpMethod.Delete, $"alert-rules/{rule}", status: 404);

        (await ApiAsync(HttpMethod.Get, "alert-quiet-hours")).GetProperty("days").GetArrayLength().ShouldBe(0);
        await ApiAsync(HttpMethod.Put, "alert-quiet-hours", new { days = new[] { "saturday", "sunday" }, from = "22:00", to = "07:30", pager_duty_waits = false }, 204);
        var quiet = await ApiAsync(HttpMethod.Get, "alert-quiet-hours");
        (quiet.GetProperty("days")[1].GetString(), quiet.GetProperty("to").GetString(), quiet.GetProperty("pager_duty_waits").GetBoolean()).ShouldBe(("sunday", "07:30", false));
        Words(await ApiAsync(HttpMethod.Put, "alert-quiet-hours", new { days = Array.Empty<string>(), from = "25:00", to = "07:30" }, 422)).ShouldStartWith("from:");
        Words(await ApiAsync(HttpMethod.Put, "alert-quiet-hours", new { days = Enum.GetNames<DayOfWeek>().Select(d => d.ToLowerInvariant()), from = "07:30", to = "07:30" }, 422)).ShouldContain("for ever");

        var mute = (await ApiAsync(HttpMethod.Post, "alert-mutes", new { kind = "digest.weekly", why = "nobody reads it" }, 201)).GetProperty("id").GetString()!;
        Words(await ApiAsync(HttpMethod.Post, "alert-mutes", new { kind = "budget.exhausted" }, 422)).ShouldStartWith("until: What may be critical is muted for seven days at most");
        var mutes = (await ApiAsync(HttpMethod.Get, "alert-mutes")).GetProperty("data");
        (mutes[0].GetProperty("running").GetBoolean(), mutes[0].GetProperty("why").GetString()).ShouldBe((true, "nobody reads it"));
        await ApiAsync(HttpMethod.Delete, $"alert-mutes/{mute}", status: 204);
        (await ApiAsync(HttpMethod.Get, "alert-mutes")).GetProperty("data")[0].GetProperty("ended_by").ValueKind.ShouldBe(JsonValueKind.String);
    }

    [Fact]
    public async Task An_alert_that_is_over_is_one_card_and_counts_no_more()
    {
        await TellAsync("Spike of acme", "spike:acme", AlertSeverity.Critical);
        await TellAsync("Something happened");
        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        var page = await visitor.ReadAsync("/alerts");
        page.ShouldContain("Nobody looks after 2 of these yet.");
        page.ShouldContain("Look at the spend");
        (await visitor.ReadAsync("/overview")).ShouldContain("2<span class=\"visually-hidden\"> that nobody looks after</span>"); // in the frame of every page
        (await _product.Services.GetRequiredService<IAlertBook>().ResolveAsync(new AlertEnd(_product.TenantId, "spike:acme", "It is as usual again.", [], DateTimeOffset.UtcNow), TestContext.Current.CancellationToken)).ShouldBeTrue();
        page = await visitor.ReadAsync("/alerts");
        page.ShouldContain("Nobody looks after one of these yet.");
        page.ShouldContain("Over since");
        page.ShouldContain("It is as usual again.");
        page.Split("<article").Length.ShouldBe(3); // two cards: the end is none of its own
        (await visitor.ReadAsync("/alerts?show=open")).Split("<article").Length.ShouldBe(2);
        (await visitor.ReadAsync("/alerts?show=&kind=spend.spike&severity=critical")).ShouldNotContain("Something happened");
        (await visitor.ReadAsync("/alerts?kind=digest.weekly")).ShouldContain("Nothing here.");

        var alerts = (await ApiAsync(HttpMethod.Get, "alerts")).GetProperty("data").EnumerateArray().ToList();
        var begun = alerts.Single(a => a.GetProperty("title").GetString() == "Spike of acme");
        (begun.GetProperty("lasts").GetBoolean(), begun.GetProperty("resolved_at").ValueKind, begun.GetProperty("scope").GetProperty("value").GetString()).ShouldBe((true, JsonValueKind.String, "acme"));
        alerts.Single(a => a.GetProperty("resolves").ValueKind == JsonValueKind.String).GetProperty("resolves").GetString().ShouldBe(begun.GetProperty("id").GetString());
        (await ApiAsync(HttpMethod.Get, "alerts?ends=false&open=true")).GetProperty("data").GetArrayLength().ShouldBe(1);
        Words(await ApiAsync(HttpMethod.Get, "alerts?kind=none", status: 422)).ShouldStartWith("kind:");
    }

    [Fact]
    public async Task An_alert_is_snoozed_with_one_press_and_says_by_whom_and_until_when()
    {
        await TellAsync("Spike of acme", "spike:acme");
        var id = (await ApiAsync(HttpMethod.Get, "alerts")).GetProperty("data")[0].GetProperty("id").GetString()!;
        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        (await visitor.ReadAsync("/alerts")).ShouldContain("/alerts/rules?kind=SpendSpike&amp;scope=tag&amp;name=customer&amp;value=acme#mute");
        var page = await SubmitAsync(visitor, "/alerts?handler=Snooze", ("Target", id), ("For", "8h"));
        page.ShouldContain("It is quiet until");
        page.ShouldContain("muted by ");
        page.ShouldContain("End the mute");
        (await ApiAsync(HttpMethod.Get, "alerts")).GetProperty("data")[0].GetProperty("muted").GetProperty("running").GetBoolean().ShouldBeTrue();
        var rules = await visitor.ReadAsync("/alerts/rules");
        rules.ShouldContain("One mute runs.");
        var mute = (await ApiAsync(HttpMethod.Get, "alert-mutes")).GetProperty("data")[0].GetProperty("id").GetString()!;
        (await SubmitAsync(visitor, "/alerts/rules?handler=EndMute", ("Target", mute))).ShouldContain("The mute is over");
        Words(await ApiAsync(HttpMethod.Post, $"alerts/{id}/snooze", new { until = DateTimeOffset.UtcNow.AddDays(8) }, 422)).ShouldContain("seven days");
        await ApiAsync(HttpMethod.Post, $"alerts/{id}/snooze", new { until = DateTimeOffset.UtcNow.AddDays(7) }, 201);
    }

    [Fact]
    public async Task Rules_are_set_changed_and_removed_and_things_muted_on_their_page()
    {
        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        (string, string)[] numbers = [("Floor", "2.50"), ("Ratio", "3"), ("Hours", "12"), ("FailingPercent", "25"), ("LeastCalls", "20"), ("UnusedDays", "30"), ("On", "true")];
        Task<string> SaveAsync(params (string, string)[] fields) => SubmitAsync(visitor, "/alerts/rules?handler=Save", [.. numbers.Where(n => !fields.Any(f => f.Item1 == n.Item1)), .. fields, ("form_id", Guid.NewGuid().ToString("n"))]);
        (await visitor.ReadAsync("/alerts/rules")).ShouldContain("Everything is told from the defaults on.");
        (await SaveAsync(("Kind", "SpendSpike"), ("Of.Scope", "tag"), ("Of.TagName", "Customer"), ("Of.TagValue", "a<b"))).ShouldContain("$2.5 an hour beyond the usual, and 3 times the usual");
        var rule = (await ApiAsync(HttpMethod.Get, "alert-rules")).GetProperty("data")[0].GetProperty("id").GetString()!;
        var page = await visitor.ReadAsync($"/alerts/rules?rule={rule}");
        page.ShouldContain("Far more is spent than usual: customer a&lt;b");
        page.ShouldContain("value=\"2.5\"");
        (await SaveAsync(("Target", rule), ("Floor", "much"))).ShouldContain("Dollars, such as 2.50.");
        (await SaveAsync(("Target", rule), ("Ratio", "1"))).ShouldContain("The ratio is 1.1 to 100");
        (await SaveAsync(("Target", rule), ("On", "false"))).ShouldContain("not told");
        (await SaveAsync(("Kind", "KeyAwake"), ("Of.Scope", "key"))).ShouldContain("Say which key.");
        (await SaveAsync(("Kind", "PlanQuota"), ("Of.Scope", "tag"), ("Of.TagName", "customer"), ("Of.TagValue", "acme"))).ShouldContain("There is no such rule for that kind");
        (await SubmitAsync(visitor, "/alerts/rules?handler=Remove", ("Target", rule))).ShouldContain("Everything is told from the defaults on.");

        (await SubmitAsync(visitor, "/alerts/rules?handler=Quiet", ("Days", "Sunday"), ("From", "20:00"), ("Until", "08:00"))).ShouldContain("On Sunday from 20:00 to 08:00 of the next day");
        (await SubmitAsync(visitor, "/alerts/rules?handler=Quiet", ("Days", "Sunday"), ("From", ""), ("Until", "08:00"))).ShouldContain("Quiet hours begin and end at a time");

        (await visitor.ReadAsync("/alerts/rules?kind=SpendSpike&scope=tag&name=customer&value=acme")).ShouldContain("value=\"acme\"");
        (await SubmitAsync(visitor, "/alerts/rules?handler=Mute", ("form_id", Guid.NewGuid().ToString("n")), ("MuteKind", ""), ("MuteOf.Scope", "tenant"), ("For", "ever"))).ShouldContain("seven days at most: it may be");
        (await SubmitAsync(visitor, "/alerts/rules?handler=Mute", ("form_id", Guid.NewGuid().ToString("n")), ("MuteKind", "KeyAwake"), ("MuteOf.Scope", "tenant"), ("For", "ever"), ("Why", "known"))).ShouldContain("It is muted until somebody ends it.");
    }
}
