using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using MediatR;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Pages;

/// <summary>The pages that manage things, as whoever has which role sees and uses them.</summary>
public sealed partial class ManagePagesTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync([new("Portal:Operators", "boss@visitor.example"), new("Endpoints:AllowPrivate", "true")]);

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private Task<PortalVisitor> AsAsync(Role role) => PortalVisitor.SignedInAsync(_product, _product.TenantId, role);

    private async Task<T> AskAsync<T>(IUseCase<T> request)
        where T : class
    {
        await using var scope = _product.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(request)).Value;
    }

    private async Task<IReadOnlyList<KeyLine>> KeysAsync() => (await AskAsync(new ListKeys(Caller.Operator, _product.TenantId))).Keys;

    private static IEnumerable<KeyValuePair<string, string>> Fields(params (string Name, string Value)[] fields) => fields.Select(f => new KeyValuePair<string, string>(f.Name, f.Value));

    [Fact]
    public async Task A_key_is_made_shown_once_changed_rotated_and_revoked()
    {
        var dev = await AsAsync(Role.Developer);
        (await dev.ReadAsync("/keys")).ShouldContain("New key");
        string secret;
        using (var made = await dev.PostAsync("/keys/new", Fields(("Form.Name", "batch-eu"), ("Form.Tags", "feature=search"), ("Form.Models", "sandbox-small\nsandbox-l*"), ("Form.RequestsPerMinute", "60"), ("Form.CacheSeconds", "3600"))))
            secret = Secret().Match(await made.Content.ReadAsStringAsync()).Groups[1].Value;
        secret.ShouldStartWith("mk_live_");
        var key = (await KeysAsync()).Single(k => k.Name == "batch-eu");
        (key.AllowedModels.Count, key.Limits.RequestsPerMinute, key.Tags[0].Value).ShouldBe((2, 60, "search"));
        key.CacheSeconds.ShouldBe(3600);
        var page = await dev.ReadAsync($"/keys/{key.Id}");
        page.ShouldContain("value=\"3600\"");
        page.ShouldNotContain(secret);
        page.ShouldContain(key.Masked[..18]);
        (await dev.ReadAsync("/keys?q=batch")).ShouldContain("batch-eu");
        (await dev.ReadAsync("/keys?q=nothing-like-it")).ShouldContain("No key matches");

        using (var saved = await dev.PostAsync($"/keys/{key.Id}?handler=Save", Fields(("Form.Name", "batch-us"), ("Form.Models", ""))))
            saved.StatusCode.ShouldBe(HttpStatusCode.Found);
        (await KeysAsync()).Single(k => k.Id == key.Id).ShouldSatisfyAllConditions(k => k.Name.ShouldBe("batch-us"), k => k.AllowedModels.ShouldBeEmpty(), k => k.CacheSeconds.ShouldBeNull(), k => k.Tags.ShouldBeEmpty());

        using (var rotated = await dev.PostAsync($"/keys/{key.Id}?handler=Rotate", Fields(("OverlapHours", "1"))))
            Secret().Match(await rotated.Content.ReadAsStringAsync()).Groups[1].Value.ShouldStartWith("mk_live_");

        using (var slip = await dev.PostAsync($"/keys/{key.Id}?handler=Revoke", Fields(("Confirm", "batch"))))
            (await slip.Content.ReadAsStringAsync()).ShouldContain("Type the name as it is: batch-us");
        (await KeysAsync()).Single(k => k.Id == key.Id).RevokedAt.ShouldBeNull();
        using (var revoked = await dev.PostAsync($"/keys/{key.Id}?handler=Revoke", Fields(("Confirm", "batch-us"))))
            revoked.StatusCode.ShouldBe(HttpStatusCode.Found);
        (await KeysAsync()).Single(k => k.Id == key.Id).RevokedAt.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_form_that_is_sent_twice_does_nothing_twice()
    {
        var dev = await AsAsync(Role.Developer);
        var form = Fields(("form_id", new string('a', 32)), ("Form.Name", "once")).ToList();
        using (var first = await dev.PostAsync("/keys/new", form))
            first.StatusCode.ShouldBe(HttpStatusCode.OK);
        using (var second = await dev.PostAsync("/keys/new", form))
            second.Headers.Location!.ToString().ShouldBe("/keys");
        (await KeysAsync()).Count(k => k.Name == "once").ShouldBe(1);
    }

    [Fact]
    public async Task What_is_wrong_stands_at_its_field_and_what_was_typed_stays()
    {
        var dev = await AsAsync(Role.Developer);
        using var answer = await dev.PostAsync("/keys/new", Fields(("Form.Name", "batch-eu"), ("Form.Tags", "no tag"), ("Form.Models", "g*t")));
        var text = await answer.Content.ReadAsStringAsync();
        text.ShouldContain("Write one tag a line, as name=value.");
        text.ShouldContain("value=\"batch-eu\"");
        using var lists = await dev.PostAsync("/keys/new", Fields(("Form.Name", "batch-eu"), ("Form.Models", "g*t"), ("Form.Providers", "nobody")));
        WebUtility.HtmlDecode(await lists.Content.ReadAsStringAsync()).ShouldContain("'g*t': a * stands at the end");
        (await KeysAsync()).ShouldAllBe(k => k.Name != "batch-eu");
    }

    public static TheoryData<string, string> Changes => new()
    {
        { "/keys/new", "Form.Name=x" },
        { "/keys/KEY?handler=Save", "Form.Name=x" },
        { "/keys/KEY?handler=Rotate", "OverlapHours=0" },
        { "/keys/KEY?handler=Revoke", "Confirm=default" },
        { "/budgets/new", "Form.Scope=tenant&Form.Limit=1" },
        { "/budgets/BUDGET?handler=Save", "Form.Limit=1" },
        { "/budgets/BUDGET?handler=Increase", "MoreAmount=1&MoreUntil=2030-01-01" },
        { "/budgets/BUDGET?handler=Delete", "Confirm=test" },
        { "/providers?handler=Store", "Provider=openai&Secret=sk-x" },
        { "/providers?handler=Add", "Name=mine&BaseUrl=https://llm.example.com&Surface=openai" },
        { "/team?handler=Invite", "Email=eve@example.com&Role=Viewer" },
        { "/team?handler=Role", "Target=MEMBER&Role=Viewer" },
        { "/team?handler=Remove", "Target=MEMBER&Confirm=owner@example.com" },
        { "/team/projects?handler=Team", "Name=x" },
        { "/settings?handler=Tenant", "Name=x&TimeZone=UTC&RetentionDays=0" },
        { "/settings?handler=Calls", "OnDisconnect=ReadOn&Unpriced=Refuse" },
        { "/settings?handler=Limits", "RequestsPerMinute=1" },
        { "/settings?handler=EmptyCache", "" },
        { "/settings/prices?handler=Set", "Provider=openai&Model=gpt-4o&Input=1" },
        { "/settings/tokens?handler=Make", "Name=x&Role=Viewer" },
        { "/settings/data?handler=Export", "" },
        { "/settings/data?handler=Delete", "Name=test" },
        { "/operator?handler=Suspend", "Target=TENANT&Confirm=test&Expected=test" },
    };

    [Fact]
    public async Task A_viewer_sees_no_button_and_is_refused_when_posting_anyway()
    {
        var budget = (await AskAsync(new CreateBudget(Caller.Operator, _product.TenantId, Domain.Budgets.BudgetScope.Tenant, Domain.Budgets.BudgetPeriod.Month, new BudgetTerms { Limit = new(1_000_000_000) }))).Id;
        var key = (await KeysAsync()).First(k => k.Environment == Domain.Ledger.KeyEnvironment.Live).Id;
        var member = (await AskAsync(new ListMembers(Caller.Operator, _product.TenantId))).Members[0].Id;
        var viewer = await AsAsync(Role.Viewer);
        foreach (var path in new[] { "/keys", $"/keys/{key}", "/budgets", $"/budgets/{budget}", "/providers", "/team/projects", "/settings", "/settings/prices" })
        {
            var main = (await viewer.ReadAsync(path)).Split("<main")[1];
            Regex.IsMatch(main, "method=\"post\"").ShouldBeFalse(path);
        }

        var before = Audit();
        foreach (var row in Changes)
        {
            var (path, fields) = (Named(row.Data.Item1), Named(row.Data.Item2));
            using var answer = await viewer.PostAsync(path, fields.Length == 0 ? [] : fields.Split('&').Select(f => new KeyValuePair<string, string>(f.Split('=', 2)[0], f.Split('=', 2)[1])));
            answer.StatusCode.ShouldBe(path.StartsWith("/operator", StringComparison.Ordinal) ? HttpStatusCode.NotFound : HttpStatusCode.Forbidden, path);
        }

        Audit().ShouldBe(before);
        (await KeysAsync()).ShouldAllBe(k => k.Name == "default" && k.RevokedAt == null);

        string Named(string text) => text.Replace("KEY", key, StringComparison.Ordinal).Replace("BUDGET", budget, StringComparison.Ordinal).Replace("MEMBER", member, StringComparison.Ordinal).Replace("TENANT", _product.TenantId, StringComparison.Ordinal);

        long Audit() => AskAsync(new ListAudit(Caller.Operator, _product.TenantId) { Result = AuditResult.Done, Limit = 1000 }).Result.Lines.Count;
    }

    [Fact]
    public async Task A_budget_is_set_seen_changed_raised_and_deleted()
    {
        var admin = await AsAsync(Role.Admin);
        using (var whatIf = await admin.PostAsync("/budgets/new?handler=WhatIf", Fields(("Form.Scope", "tenant"), ("Form.Limit", "500"))))
            (await whatIf.Content.ReadAsStringAsync()).ShouldContain("What it would have done from");
        using (var wrong = await admin.PostAsync("/budgets/new", Fields(("Form.Scope", "tenant"), ("Form.Limit", "a lot"))))
            (await wrong.Content.ReadAsStringAsync()).ShouldContain("Write an amount in dollars");
        string path;
        using (var made = await admin.PostAsync("/budgets/new?env=test", Fields(("Form.Scope", "each"), ("Form.TagName", "Customer"), ("Form.Limit", "$1,250.50"), ("Form.Period", "Month"), ("Form.Thresholds", "90, 50 %"), ("Form.Clamp", "true"))))
            path = made.Headers.Location!.ToString();
        var line = (await AskAsync(new ListBudgets(Caller.Operator, _product.TenantId))).Budgets.ShouldHaveSingleItem();
        (line.Budget.Limit.ToString(), line.Budget.Scope.ToString(), line.Budget.Environment.ToString()).ShouldBe(("1250.5", "tag customer=(each)", "Test"));
        line.Budget.Thresholds.ShouldBe([50, 90]);
        (await admin.ReadAsync("/budgets?env=test")).ShouldContain("each customer");

        var bare = path.Split('?')[0];
        using (var raised = await admin.PostAsync($"{bare}?handler=Increase&env=test", Fields(("MoreAmount", "100"), ("MoreUntil", "2099-12-31"))))
            raised.StatusCode.ShouldBe(HttpStatusCode.Found, await raised.Content.ReadAsStringAsync());
        var more = (await AskAsync(new ListBudgets(Caller.Operator, _product.TenantId))).Budgets[0].Budget;
        (more.Increase!.Amount.ToString(), more.Limit.ToString(), more.Thresholds.Count).ShouldBe(("100", "1250.5", 2));
        using (var saved = await admin.PostAsync($"{bare}?handler=Save&env=test", Fields(("Form.Limit", "20"), ("Form.Action", "Downgrade"), ("Form.DowngradeTo", "sandbox-small"), ("Form.Clamp", "false"))))
            saved.StatusCode.ShouldBe(HttpStatusCode.Found, await saved.Content.ReadAsStringAsync());
        (await AskAsync(new ListBudgets(Caller.Operator, _product.TenantId))).Budgets[0].Budget.Increase.ShouldNotBeNull(); // saving the terms leaves it
        using (var deleted = await admin.PostAsync($"{bare}?handler=Delete&env=test", Fields(("Confirm", "each customer"))))
            deleted.StatusCode.ShouldBe(HttpStatusCode.Found, await deleted.Content.ReadAsStringAsync());
        (await AskAsync(new ListBudgets(Caller.Operator, _product.TenantId))).Budgets.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_invitation_is_mailed_and_only_its_verified_address_can_take_it()
    {
        var owner = await AsAsync(Role.Owner);
        using (var sent = await owner.PostAsync("/team?handler=Invite", Fields(("Email", "grace@visitor.example"), ("Role", "Developer"))))
            (await sent.Content.ReadAsStringAsync()).ShouldContain("is on its way by mail");
        var mail = _product.Services.GetRequiredService<RecentMails>().All.First(m => m.To == "grace@visitor.example");
        var link = new Uri(mail.Text.Split('\n').First(l => l.StartsWith("http", StringComparison.Ordinal))).PathAndQuery;
        link.ShouldStartWith("/invite?token=iv_");

        var stranger = await PortalVisitor.SignedInAsync(_product, null);
        (await stranger.ReadAsync(link)).ShouldContain("You are signed in as");
        using (var refused = await stranger.PostAsync(link, Fields(("token", link.Split("token=")[1]))))
            WebUtility.HtmlDecode(await refused.Content.ReadAsStringAsync()).ShouldContain("This invitation is for grace@visitor.example");
        var grace = await PortalVisitor.SignedInAsync(_product, null, email: "grace@visitor.example");
        (await grace.ReadAsync(link)).ShouldContain("Join test");
        using (var joined = await grace.PostAsync(link, Fields(("token", link.Split("token=")[1]))))
            joined.Headers.Location!.ToString().ShouldBe("/overview");
        (await AskAsync(new ListMembers(Caller.Operator, _product.TenantId))).ShouldSatisfyAllConditions(
            l => l.Members.ShouldContain(m => m.Email == "grace@visitor.example" && m.Role == Role.Developer), l => l.Invitations.ShouldBeEmpty());
        (await grace.ReadAsync("/keys")).ShouldContain("New key");
        (await grace.ReadAsync(link)).ShouldContain("This invitation can't be used"); // once
    }

    [Fact]
    public async Task Everything_is_exported_deleted_after_a_grace_and_can_be_kept()
    {
        var owner = await AsAsync(Role.Owner);
        using (var file = await owner.PostAsync("/settings/data?handler=Export", []))
        {
            file.Content.Headers.ContentType!.MediaType.ShouldBe("application/x-ndjson");
            var lines = (await file.Content.ReadAsStringAsync()).TrimEnd('\n').Split('\n');
            lines[^1].ShouldBe("{\"complete\":true}");
            lines.Count(l => JsonDocument.Parse(l).RootElement.TryGetProperty("table", out var table) && table.GetString() == "metering_keys").ShouldBe(2);
        }

        using (var slip = await owner.PostAsync("/settings/data?handler=Delete", Fields(("Name", "tset"))))
            (await slip.Content.ReadAsStringAsync()).ShouldContain("Type the name as it is: test");
        using (var asked = await owner.PostAsync("/settings/data?handler=Delete", Fields(("Name", "test"))))
            asked.StatusCode.ShouldBe(HttpStatusCode.Found);
        using (var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat()))
        {
            ((int)call.StatusCode).ShouldBe(403);
            call.Headers.GetValues("x-tokonomics-error").Single().ShouldBe("tenant_closing");
        }

        (await owner.ReadAsync("/settings")).ShouldContain("will be deleted with all its data");
        using (var kept = await owner.PostAsync("/settings/data?handler=Cancel", []))
            kept.StatusCode.ShouldBe(HttpStatusCode.Found);
        using (var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat()))
            ((int)call.StatusCode).ShouldBe(200);
    }

    [Fact]
    public async Task A_stored_provider_key_is_tried_at_once_and_the_provider_is_quoted()
    {
        await using var provider = FakeModels.Start(("/v1/models", "Bearer sk-good-key-0123456789abcdef"));
        var admin = await AsAsync(Role.Admin);
        using (var added = await admin.PostAsync("/providers?handler=Add", Fields(("Name", "my-llm"), ("BaseUrl", provider.Url), ("Surface", "openai"))))
            added.StatusCode.ShouldBe(HttpStatusCode.Found, await added.Content.ReadAsStringAsync());
        using (var stored = await admin.PostAsync("/providers?handler=Store", Fields(("Provider", "my-llm"), ("Secret", "sk-bad-key-0123456789abcdef"))))
            stored.StatusCode.ShouldBe(HttpStatusCode.Found, await stored.Content.ReadAsStringAsync());
        var page = WebUtility.HtmlDecode(await admin.ReadAsync("/providers"));
        page.ShouldContain("HTTP 401: Incorrect API key provided: …");
        page.ShouldNotContain("sk-bad-key");
        using (var stored = await admin.PostAsync("/providers?handler=Store", Fields(("Provider", "my-llm"), ("Secret", "sk-good-key-0123456789abcdef"))))
            stored.StatusCode.ShouldBe(HttpStatusCode.Found);
        (await admin.ReadAsync("/providers")).ShouldContain("accepted");
    }

    [Fact]
    public async Task The_operators_area_is_there_for_operators_alone()
    {
        var boss = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Viewer, "boss@visitor.example");
        using (var one = await boss.GetAsync("/operator"))
            one.Headers.Location!.ToString().ShouldBe("/account/security?operator=1"); // one factor isn't enough
        await WithSecondFactorAsync(boss);
        (await boss.ReadAsync("/operator")).ShouldContain(_product.TenantId);
        (await boss.ReadAsync("/operator/system")).ShouldContain("Price sheets");
        (await boss.ReadAsync("/operator/audit")).ShouldContain("Audit log");
        (await boss.ReadAsync("/operator/jobs")).ShouldContain("delete-old-events");
        using (var asked = await boss.PostAsync("/operator/jobs?handler=Run", Fields(("Target", "verify-ledger"))))
            asked.StatusCode.ShouldBe(HttpStatusCode.Found);
        for (var tries = 0; !(await boss.ReadAsync("/operator/jobs")).Contains("invariants hold", StringComparison.Ordinal); tries++)
        {
            tries.ShouldBeLessThan(300);
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }

        (await boss.ReadAsync("/operator/audit")).ShouldContain("run job now");
        using (await new PortalVisitor(_product).PostAsync("/signup", [new("Email", "late@visitor.example"), new("Password", PortalVisitor.Password)]))
        {
        }

        var late = Regex.Match(await boss.ReadAsync("/operator/accounts?q=late"), "name=\"Target\" value=\"([^\"]+)\"").Groups[1].Value;
        using (var resent = await boss.PostAsync("/operator/accounts?handler=Resend", Fields(("Target", late))))
            resent.StatusCode.ShouldBe(HttpStatusCode.Found);
        _product.Services.GetRequiredService<RecentMails>().All.Count(m => m.To == "late@visitor.example").ShouldBe(2);
        using (var suspended = await boss.PostAsync("/operator?handler=Suspend", Fields(("Target", _product.TenantId), ("Confirm", "test"), ("Expected", "test"))))
            suspended.StatusCode.ShouldBe(HttpStatusCode.Found);
        using (var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat()))
            ((int)call.StatusCode).ShouldBe(403);
        using (var resumed = await boss.PostAsync("/operator?handler=Resume", Fields(("Target", _product.TenantId))))
            resumed.StatusCode.ShouldBe(HttpStatusCode.Found);
        var owner = await AsAsync(Role.Owner);
        foreach (var path in new[] { "/operator", "/operator/accounts", "/operator/system", "/operator/jobs", "/operator/audit" })
            using (var answer = await owner.GetAsync(path))
                answer.StatusCode.ShouldBe(HttpStatusCode.NotFound, path);
    }

    [Fact]
    public async Task The_audit_log_is_shown_with_where_from_filtered_and_downloaded()
    {
        var owner = await AsAsync(Role.Owner);
        using (var made = await owner.PostAsync("/team/projects?handler=Team", Fields(("Name", "=1+1"))))
            made.StatusCode.ShouldBe(HttpStatusCode.Found);
        var page = WebUtility.HtmlDecode(await owner.ReadAsync("/settings/audit?what=create_team"));
        page.ShouldContain("127.0.0.1");
        page.ShouldContain(owner.Email);
        page.ShouldNotContain("provision tenant");
        using var csv = await owner.GetAsync("/settings/audit?what=create_team&handler=Export&format=csv");
        csv.Content.Headers.ContentType!.MediaType.ShouldBe("text/csv");
        var lines = (await csv.Content.ReadAsStringAsync()).Split("\r\n");
        lines[0].ShouldBe("seq,at,actor,actor_name,action,subject,result,detail,remote,hash");
        lines[1].ShouldContain(",'=1+1,127.0.0.1,"); // no formula for a spreadsheet
        using var json = await owner.GetAsync("/settings/audit?what=create_team&handler=Export&format=json");
        JsonDocument.Parse((await json.Content.ReadAsStringAsync()).Split('\n')[0]).RootElement.GetProperty("detail").GetString().ShouldBe("=1+1");
    }

    [Fact]
    public async Task Settings_prices_and_tokens_are_set_by_their_forms()
    {
        var owner = await AsAsync(Role.Owner);
        using (var saved = await owner.PostAsync("/settings?handler=Tenant", Fields(("Name", "Test & Sons"), ("TimeZone", "Europe/Berlin"), ("RetentionDays", "90"))))
            saved.StatusCode.ShouldBe(HttpStatusCode.Found, await saved.Content.ReadAsStringAsync());
        using (var calls = await owner.PostAsync("/settings?handler=Calls", Fields(("OnDisconnect", "ReadOn"), ("Unpriced", "Refuse"))))
            calls.StatusCode.ShouldBe(HttpStatusCode.Found);
        using (var limits = await owner.PostAsync("/settings?handler=Limits", Fields(("RequestsPerMinute", "600"))))
            limits.StatusCode.ShouldBe(HttpStatusCode.Found);
        var settings = await AskAsync(new GetTenantSettings(Caller.Operator, _product.TenantId));
        (settings.Name, settings.TimeZone, settings.RetentionDays, settings.OnDisconnect, settings.Unpriced).ShouldBe(("Test & Sons", "Europe/Berlin", 90, DisconnectPolicy.ReadOn, UnpricedPolicy.Refuse));
        using (var price = await owner.PostAsync("/settings/prices?handler=Set", Fields(("Provider", "openai"), ("Model", "gpt-own"), ("Input", "$0.5"), ("Output", "1.5"))))
            price.StatusCode.ShouldBe(HttpStatusCode.Found, await price.Content.ReadAsStringAsync());
        (await owner.ReadAsync("/settings/prices")).ShouldContain("gpt-own");
        using (var wrong = await owner.PostAsync("/settings/prices?handler=Set", Fields(("Provider", "openai"), ("Model", "gpt-own"), ("Input", "cheap"))))
            (await wrong.Content.ReadAsStringAsync()).ShouldContain("field-validation-error");
        using var token = await owner.PostAsync("/settings/tokens?handler=Make", Fields(("Name", "terraform"), ("Role", "Admin")));
        var secret = Secret().Match(await token.Content.ReadAsStringAsync()).Groups[1].Value;
        secret.ShouldStartWith("tk_");
        (await owner.ReadAsync("/settings/tokens")).ShouldNotContain(secret);
    }

    /// <summary>Sets one-time codes up and signs in anew with one (RFC 6238: SHA-1, 30 seconds, six digits).</summary>
    private async Task WithSecondFactorAsync(PortalVisitor visitor)
    {
        string seed;
        await using (var scope = _product.Services.CreateAsyncScope())
        {
            var users = scope.ServiceProvider.GetRequiredService<UserManager<User>>();
            var user = (await users.FindByIdAsync(visitor.UserId))!;
            await users.ResetAuthenticatorKeyAsync(user);
            await users.SetTwoFactorEnabledAsync(user, true);
            seed = (await users.GetAuthenticatorKeyAsync(user))!;
        }

        const string Base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        var bits = string.Concat(seed.TrimEnd('=').Select(c => Convert.ToString(Base32.IndexOf(c, StringComparison.Ordinal), 2).PadLeft(5, '0')));
        var key = Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.Substring(i * 8, 8), 2)).ToArray();
        var step = BitConverter.GetBytes(DateTimeOffset.UtcNow.ToUnixTimeSeconds() / 30);
        Array.Reverse(step);
#pragma warning disable CA5350 // what authenticators use
        var mac = System.Security.Cryptography.HMACSHA1.HashData(key, step);
#pragma warning restore CA5350
        var at = mac[^1] & 15;
        var code = ((((mac[at] & 127) << 24) | (mac[at + 1] << 16) | (mac[at + 2] << 8) | mac[at + 3]) % 1_000_000).ToString("d6", System.Globalization.CultureInfo.InvariantCulture);
        using var signedOut = await visitor.PostAsync("/logout", []);
        using var first = await visitor.SignInAsync();
        using var second = await visitor.PostAsync(first.Headers.Location!.ToString(), Fields(("Code", code)));
        second.StatusCode.ShouldBe(HttpStatusCode.Found, await second.Content.ReadAsStringAsync());
    }

    [GeneratedRegex("""<code id="secret">([^<]+)</code>""")]
    private static partial Regex Secret();
}

/// <summary>A provider that lists its models to whoever has the right key, and else quotes the key, as some do.</summary>
internal sealed class FakeModels : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Task _serving;

    private FakeModels((string Path, string Authorization) takes)
    {
        using (var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}";
        }

        _listener.Prefixes.Add(Url + "/");
        _listener.Start();
        _serving = Task.Run(async () =>
        {
            while (_listener.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }

                var sent = context.Request.Headers["Authorization"] ?? "";
                var ok = context.Request.Url!.AbsolutePath == takes.Path && sent == takes.Authorization;
                context.Response.StatusCode = ok ? 200 : 401;
                var body = JsonSerializer.SerializeToUtf8Bytes(ok ? new { data = Array.Empty<string>() } : (object)new { error = new { message = $"Incorrect API key provided: {sent["Bearer ".Length..]}" } });
                await context.Response.OutputStream.WriteAsync(body);
                context.Response.Close();
            }
        });
    }

    public string Url { get; }

    public static FakeModels Start((string Path, string Authorization) takes) => new(takes);

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _serving;
    }
}
