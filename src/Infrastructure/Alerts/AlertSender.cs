using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using MailKit.Net.Smtp;
using MailKit.Security;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Alerts;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Infrastructure.Providers;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>
/// Carries messages by HTTP and by mail. Addresses that tenants typed are reached as their endpoints are: no private address, whatever their names resolve to, and no redirect is
/// followed. Of an answer a little is read, for the log.
/// </summary>
public sealed class AlertSender(AlertOptions options, EndpointOptions endpoints, MailTransport mails, TimeProvider time) : IAlertSender, IDisposable
{
    private const int MostBytes = 2048;
    private const int LongestAnswer = 200;

    private static readonly Provider Guarded = new() { Name = "alerts", Guarded = true, Routes = new RouteTable([]) };
    private static readonly Provider Trusted = new() { Name = "alerts", Routes = new RouteTable([]) };

    // What Slack says where a channel will never take anything again, by its reference of incoming webhooks (read 2026-11-21).
    private static readonly string[] SlackClosed = ["no_service", "no_active_hooks", "invalid_token", "channel_is_archived", "channel_not_found", "action_prohibited", "posting_to_general_channel_denied", "team_disabled", "user_not_found", "no_team"];

    private readonly UpstreamClients _clients = new(TimeSpan.FromSeconds(10), endpoints.AllowPrivate);

    public async Task<SendResult> SendAsync(OpenChannel channel, Alert alert, string messageId, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(options.Patience);
        try
        {
            if (channel.Kind == ChannelKind.Email)
                return await MailAsync(AlertMessages.Mail(alert, channel.Address), messageId, patience.Token);
            var body = channel.Kind switch
            {
                ChannelKind.Slack => AlertMessages.Slack(alert),
                ChannelKind.Teams => AlertMessages.Teams(alert),
                ChannelKind.Discord => AlertMessages.Discord(alert),
                ChannelKind.PagerDuty => AlertMessages.PagerDuty(alert, channel.Address),
                _ => AlertMessages.Webhook(alert),
            };
            using var request = new HttpRequestMessage(HttpMethod.Post, channel.Kind == ChannelKind.PagerDuty ? options.PagerDutyUrl : new Uri(channel.Address))
            {
                Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json", "utf-8") } },
            };
            request.Headers.TryAddWithoutValidation("User-Agent", "Tokonomics-Alerts/1");
            if (channel.Kind == ChannelKind.Webhook)
                foreach (var (name, value) in StandardWebhook.Headers(messageId, time.GetUtcNow(), body, channel.Signing))
                    request.Headers.TryAddWithoutValidation(name, value);
            using var answer = await _clients.For(channel.Kind == ChannelKind.PagerDuty ? Trusted : Guarded).SendAsync(request, patience.Token);
            var said = Encoding.UTF8.GetString((await AnswerWords.BeginningAsync(answer, MostBytes, patience.Token)).Span);
            return Judge(channel.Kind, answer, AnswerWords.Short(said, LongestAnswer));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new SendResult(false, $"no answer within {options.Patience.TotalSeconds:f0} s");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or AddressRefusedException)
        {
            var refused = e as AddressRefusedException ?? e.InnerException as AddressRefusedException;
            return new SendResult(false, refused?.Message ?? $"could not be reached: {(e.InnerException ?? e).Message}");
        }
    }

    private async Task<SendResult> MailAsync(Mail mail, string messageId, CancellationToken cancellationToken)
    {
        if (mails.ShowInstead(mail))
            return new SendResult(true, "no mail server is set: it is shown in the console");
        try
        {
            await mails.SendAsync(mail, messageId, cancellationToken);
            return new SendResult(true, "taken by the mail server");
        }
        catch (SmtpCommandException e)
        {
            return new SendResult(false, $"{(int)e.StatusCode}: {e.Message}", Hopeless: (int)e.StatusCode >= 500);
        }
        catch (Exception e) when (e is SmtpProtocolException or AuthenticationException or SslHandshakeException or NotSupportedException)
        {
            return new SendResult(false, e.Message);
        }
    }

    private SendResult Judge(ChannelKind kind, HttpResponseMessage answer, string said)
    {
        var status = (int)answer.StatusCode;
        var words = said.Length > 0 ? $"{status}: {said}" : $"{status}";
        if (status is >= 200 and < 300)
            return new SendResult(true, words);
        var closed = kind switch
        {
            ChannelKind.Slack => SlackClosed.Any(c => said.Contains(c, StringComparison.Ordinal)),
            ChannelKind.Discord => status == 404, // the webhook was deleted
            _ => status == 410,
        };
        if (closed)
            return new SendResult(false, words, Closed: true);
        // Its content is what such a receiver doesn't like: the next attempt has the same.
        var hopeless = status is 400 or 413 or 422 && kind != ChannelKind.Webhook;
        return new SendResult(false, status is >= 300 and < 400 ? $"{words} (redirects are not followed)" : words, Hopeless: hopeless, RetryAfter: RetryAfter(answer));
    }

    private TimeSpan? RetryAfter(HttpResponseMessage answer) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date > time.GetUtcNow() => date - time.GetUtcNow(),
        _ => null,
    };

    public void Dispose() => _clients.Dispose();
}
