using System.Threading.Channels;
using MailKit.Net.Smtp;
using MailKit.Security;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Mails;

namespace Tokonomics.Infrastructure.Mails;

/// <summary>Delivers mails one after the other, off the request. A server that is away or says "later" is asked again for some minutes; what ends then is logged.</summary>
internal sealed partial class MailQueue(IOptions<MailOptions> options, MailTransport transport, TimeProvider time, ILogger<MailQueue> log) : BackgroundService, IMailer
{
    private static readonly TimeSpan[] Waits = [TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(60), TimeSpan.FromMinutes(5)];

    private readonly Channel<Mail> _mails = Channel.CreateBounded<Mail>(new BoundedChannelOptions(10_000) { SingleReader = true });

    public void Send(Mail mail)
    {
        if (!transport.ShowInstead(mail) && !_mails.Writer.TryWrite(mail))
            Full(log);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var mail in _mails.Reader.ReadAllAsync(stoppingToken))
                await DeliverAsync(mail, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task DeliverAsync(Mail mail, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await transport.SendAsync(mail, null, cancellationToken);
                return;
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                if (attempt == Waits.Length || e is AuthenticationException or SmtpCommandException { StatusCode: >= (SmtpStatusCode)500 })
                {
                    Undelivered(log, mail.Subject, options.Value.Host, e.Message);
                    return;
                }

                await Task.Delay(Waits[attempt], time, cancellationToken);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Error, "The mail \"{Subject}\" could not be delivered to {Host}: {Why}")]
    private static partial void Undelivered(ILogger logger, string subject, string host, string why);

    [LoggerMessage(2, LogLevel.Error, "A mail was dropped: 10,000 wait already; is the server named in Mail:Host there?")]
    private static partial void Full(ILogger logger);
}
