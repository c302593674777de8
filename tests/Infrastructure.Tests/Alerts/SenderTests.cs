using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Alerts;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Testing;

namespace Tokonomics.Tests.Alerts;

/// <summary>One message on the wire, to receivers that take it, put it off, refuse it, are silent, or lead elsewhere. F53, F54, F55.</summary>
public sealed class SenderTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly Alert Alert = new(
        "alert_01", "ten_01", "Acme", AlertKind.BudgetThreshold, AlertSeverity.Warning, "80 % of the monthly budget is spent: team Search", "$80.00 of $100.00 are spent this month.", new Uri("https://portal.example/budgets/bud_1"),
        [new AlertFact("Spent", "$80.00")], DateTimeOffset.UtcNow);

    private static AlertSender Sender(bool allowPrivate = true, MailOptions? mail = null, Action<AlertOptions>? set = null)
    {
        var options = new AlertOptions { Patience = TimeSpan.FromSeconds(5) };
        set?.Invoke(options);
        return new AlertSender(options, new EndpointOptions { AllowPrivate = allowPrivate }, new MailTransport(Options.Create(mail ?? new MailOptions()), new RecentMails()), TimeProvider.System);
    }

    private static string Answer(int status, string body, string more = "") => $"HTTP/1.1 {status} X\r\nContent-Length: {body.Length}\r\n{more}\r\n{body}";

    private static async Task<SendResult> SendAsync(ChannelKind kind, string answer)
    {
        await using var receiver = FakeProvider.Always(answer);
        using var sender = Sender(set: o => o.PagerDutyUrl = receiver.Url);
        return await sender.SendAsync(new OpenChannel(kind, kind == ChannelKind.PagerDuty ? "0123456789abcdef0123456789abcdef" : receiver.Url + "hook", kind == ChannelKind.Webhook ? ["whsec_" + Convert.ToBase64String(new byte[32])] : []), Alert, "alert_01.chan_1", Cancel);
    }

    [Theory]
    [InlineData(ChannelKind.Slack, 200, "ok", true, false, false)]
    [InlineData(ChannelKind.Slack, 404, "no_service", false, true, false)]
    [InlineData(ChannelKind.Slack, 410, "channel_is_archived", false, true, false)]
    [InlineData(ChannelKind.Slack, 403, "action_prohibited", false, true, false)]
    [InlineData(ChannelKind.Slack, 400, "invalid_payload", false, false, true)]
    [InlineData(ChannelKind.Slack, 500, "rollup_error", false, false, false)]
    [InlineData(ChannelKind.Discord, 204, "", true, false, false)]
    [InlineData(ChannelKind.Discord, 404, "Unknown Webhook", false, true, false)]
    [InlineData(ChannelKind.Teams, 202, "", true, false, false)]
    [InlineData(ChannelKind.PagerDuty, 202, "{}", true, false, false)]
    [InlineData(ChannelKind.PagerDuty, 400, "{}", false, false, true)]
    [InlineData(ChannelKind.Webhook, 200, "", true, false, false)]
    [InlineData(ChannelKind.Webhook, 410, "", false, true, false)]
    [InlineData(ChannelKind.Webhook, 400, "", false, false, false)]
    [InlineData(ChannelKind.Webhook, 503, "", false, false, false)]
    public async Task What_receivers_answer_is_understood(ChannelKind kind, int status, string body, bool delivered, bool closed, bool hopeless)
    {
        var result = await SendAsync(kind, Answer(status, body));
        (result.Delivered, result.Closed, result.Hopeless).ShouldBe((delivered, closed, hopeless), result.Answer);
        result.Answer.ShouldStartWith($"{status}");
    }

    [Fact]
    public async Task F53_a_receiver_that_asks_to_be_left_alone_is()
    {
        (await SendAsync(ChannelKind.Slack, Answer(429, "rate_limited", "Retry-After: 30\r\n"))).RetryAfter.ShouldBe(TimeSpan.FromSeconds(30));
        var until = (await SendAsync(ChannelKind.Webhook, Answer(503, "", $"Retry-After: {DateTimeOffset.UtcNow.AddMinutes(10):R}\r\n"))).RetryAfter!.Value;
        until.ShouldBeInRange(TimeSpan.FromMinutes(8), TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task F53_F55_a_receiver_that_is_silent_or_never_ends_is_waited_for_as_long_as_was_said()
    {
        await using var silent = new FakeProvider((_, _) => Task.Delay(Timeout.Infinite, Cancel));
        await using var endless = new FakeProvider(async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
            for (var i = 0; i < 1000; i++)
                await FakeProvider.SendAsync(socket, new byte[10_000]);
        });
        using var sender = Sender(set: o => o.Patience = TimeSpan.FromSeconds(1));
        var waited = await sender.SendAsync(new OpenChannel(ChannelKind.Slack, silent.Url + "hook", []), Alert, "id", Cancel);
        (waited.Delivered, waited.Answer).ShouldBe((false, "no answer within 1 s"));
        (await sender.SendAsync(new OpenChannel(ChannelKind.Slack, endless.Url + "hook", []), Alert, "id", Cancel)).Delivered.ShouldBeTrue(); // what it goes on to say is not read
    }

    [Fact]
    public async Task F55_no_redirect_is_followed_and_no_private_address_reached()
    {
        await using var inside = FakeProvider.Always(Answer(200, "secret"));
        await using var leads = FakeProvider.Always(Answer(302, "", $"Location: {inside.Url}latest/meta-data\r\n"));
        using (var sender = Sender())
        {
            var result = await sender.SendAsync(new OpenChannel(ChannelKind.Webhook, leads.Url + "hook", []), Alert, "id", Cancel);
            (result.Delivered, result.Answer).ShouldBe((false, "302 (redirects are not followed)"));
        }

        using (var sender = Sender(allowPrivate: false))
            foreach (var address in new[] { $"https://localhost:{inside.Url.Port}/", $"https://127.0.0.1:{inside.Url.Port}/", $"https://[::1]:{inside.Url.Port}/", "https://169.254.169.254/latest/meta-data" })
            {
                var result = await sender.SendAsync(new OpenChannel(ChannelKind.Webhook, address, []), Alert, "id", Cancel);
                result.Delivered.ShouldBeFalse(address);
                result.Answer.ShouldContain("public", Case.Insensitive, address);
            }

        inside.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_webhook_is_verified_by_the_library_of_Standard_Webhooks_with_each_secret_of_a_rotation()
    {
        await using var receiver = FakeProvider.Always(Answer(200, ""));
        using var sender = Sender();
        string[] secrets = [.. Enumerable.Range(0, 3).Select(_ => "whsec_" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)))];
        (await sender.SendAsync(new OpenChannel(ChannelKind.Webhook, receiver.Url + "hook", secrets[..2]), Alert with { Title = "Zoë's \"team\" 🦊" }, "alert_01.chan_1", Cancel)).Delivered.ShouldBeTrue();
        var got = receiver.Requests.Single();
        var headers = got.Headers.Where(h => h.Key.StartsWith("webhook-", StringComparison.Ordinal)).ToDictionary(h => h.Key, h => h.Value);
        headers["webhook-id"].ShouldBe("alert_01.chan_1");
        var verified = JsonSerializer.Deserialize<string[]>(await NodeScript.RunAsync("webhook-verify.mjs", JsonSerializer.Serialize(new { headers, body = got.Text, secrets })))!;
        verified.ShouldBe(["true", "true", "No matching signature found"]);
        var changed = JsonSerializer.Deserialize<string[]>(await NodeScript.RunAsync("webhook-verify.mjs", JsonSerializer.Serialize(new { headers, body = got.Text + " ", secrets })))!;
        changed.ShouldAllBe(v => v != "true");
    }

    // A mail server, and what it took.
    private sealed class Smtp : IAsyncDisposable
    {
        private readonly Process _node;

        private Smtp(Process node) => _node = node;

        public int Port { get; private set; }

        public static async Task<Smtp> StartAsync(params string[] behaviours)
        {
            var folder = Path.Combine(TestFolder.Root, "tests", "clients");
            if (!Directory.Exists(Path.Combine(folder, "node_modules", "smtp-server")))
                throw new InvalidOperationException("this test needs the packages of tests/clients: run npm ci --prefix tests/clients, or ./test.sh");
            var start = new ProcessStartInfo("node") { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true };
            start.ArgumentList.Add("smtp.mjs");
            start.ArgumentList.Add(JsonSerializer.Serialize(behaviours));
            var smtp = new Smtp(Process.Start(start)!);
            smtp.Port = (await smtp.NextAsync()).GetProperty("port").GetInt32();
            return smtp;
        }

        public async Task<JsonElement> NextAsync() => JsonDocument.Parse((await _node.StandardOutput.ReadLineAsync(Cancel))!).RootElement;

        public async ValueTask DisposeAsync()
        {
            _node.StandardInput.Close();
            await _node.WaitForExitAsync(CancellationToken.None);
            _node.Dispose();
        }
    }

    private static async Task<SendResult> MailAsync(Smtp smtp, MailTls tls = MailTls.None)
    {
        using var sender = Sender(mail: new MailOptions { Host = "127.0.0.1", Port = smtp.Port, Tls = tls, From = "Tokonomics <alerts@tokonomics.example>" });
        return await sender.SendAsync(new OpenChannel(ChannelKind.Email, "oncall@example.com", []), Alert, "alert_01.chan_1", Cancel);
    }

    [Fact]
    public async Task F54_a_mail_is_taken_after_a_greylist_and_a_second_one_after_a_lost_answer_has_the_same_id()
    {
        await using var smtp = await Smtp.StartAsync("greylist", "drop", "take");
        var greylisted = await MailAsync(smtp);
        (greylisted.Delivered, greylisted.Hopeless).ShouldBe((false, false), greylisted.Answer);
        greylisted.Answer.ShouldContain("451");
        (await MailAsync(smtp)).Delivered.ShouldBeFalse(); // it was taken, and nobody can know
        (await MailAsync(smtp)).Delivered.ShouldBeTrue();
        string[] mails = [(await smtp.NextAsync()).GetProperty("text").GetString()!, (await smtp.NextAsync()).GetProperty("text").GetString()!];
        mails.ShouldAllBe(m => m.Contains("Message-Id: <alert_01.chan_1@tokonomics.example>"));
        mails.ShouldAllBe(m => m.Contains("To: oncall@example.com"));
    }

    [Fact]
    public async Task F54_an_address_that_is_refused_is_not_tried_again_and_nothing_goes_in_the_clear_where_TLS_is_asked_for()
    {
        await using (var refusing = await Smtp.StartAsync("refuse"))
        {
            var refused = await MailAsync(refusing);
            (refused.Delivered, refused.Hopeless).ShouldBe((false, true), refused.Answer);
        }

        await using var plain = await Smtp.StartAsync("plain");
        var stripped = await MailAsync(plain, MailTls.StartTls);
        (stripped.Delivered, stripped.Hopeless).ShouldBe((false, false), stripped.Answer);
        (await MailAsync(plain)).Delivered.ShouldBeTrue();
        (await plain.NextAsync()).GetProperty("secure").GetBoolean().ShouldBeFalse(); // the only one that it has
    }
}
