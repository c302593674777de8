using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>What a call of our own brought.</summary>
/// <param name="Answer">Of status 200, read.</param>
/// <param name="Event">Its row.</param>
internal sealed record OwnAnswer(AnswerReading Answer, UsageEvent Event);

/// <summary>
/// Calls that no client waits for: samples and their judge's. Like every other they have a hold on all budgets that apply, a place in the journal before they are sent, and one row in the ledger; and
/// they are never sent without a hold on the budget that their route's samples have.
/// </summary>
internal sealed class OwnCalls(Admission admission, Settlement settlement, UpstreamClients clients, IUsageRecorder recorder, IBudgetGate gate, BufferBudget buffers)
{
    /// <summary>Longer answers aren't compared.</summary>
    public const int MaxAnswerBytes = 1024 * 1024;

    /// <param name="call">With its key, tags and what a quality group says of it.</param>
    /// <param name="body">In the client's dialect.</param>
    /// <param name="headers">Of the client: those that change an answer.</param>
    /// <param name="budget">The id of the budget that must hold for it.</param>
    /// <returns>Null where it was not sent, or brought no answer that can be read.</returns>
    public async Task<OwnAnswer?> AskAsync(ProxyCall call, PlannedTarget target, ReadOnlyMemory<byte> body, IReadOnlyList<KeyValuePair<string, string>> headers, string budget, CancellationToken cancellationToken)
    {
        (call.Provider, call.Match, call.RequestModel, call.Credential, call.HoldsWhole) = (target.Provider, target.Match, target.Model, target.Credential, true);
        using var copy = new AnswerCopy(buffers, MaxAnswerBytes);
        call.Copy = copy;
        var asked = target.Request(body, streams: false);
        if (asked.Refusal is not null)
            return null;
        call.Match = asked.Match;
        if (asked.Translated is { } translated)
            call.Translation = new CallTranslation(target.Translator!, translated, JsonArray: false);
        if (CallPeek.Problem(call, body) is not null)
            return null;
        try
        {
            return await AdmitAsync(call, budget, cancellationToken) ? await SendAsync(call, body, headers, cancellationToken) : null;
        }
        finally
        {
            foreach (var hold in (ReadOnlySpan<Hold>)[call.Hold, call.Quota])
                if (hold.State == HoldState.Held)
                    _ = call.Sent ? gate.Abandon(hold) : gate.Void(hold);
        }
    }

    private async Task<bool> AdmitAsync(ProxyCall call, string budget, CancellationToken cancellationToken)
    {
        if (!recorder.Accepting || admission.Permit(call) is not null || await admission.CountAsync(call, cancellationToken) is not null || await admission.AdmitAsync(call, cancellationToken) is not null)
            return false;
        // Another model in its place would be compared as if it were this one; and a limit of ours on its output as if it had stopped by itself.
        return call is { DowngradedFrom: null } && call.Hold.Charges().Any(c => c.Account.BudgetId == budget);
    }

    private async Task<OwnAnswer?> SendAsync(ProxyCall call, ReadOnlyMemory<byte> body, IReadOnlyList<KeyValuePair<string, string>> headers, CancellationToken cancellationToken)
    {
        using var message = UpstreamRequest.Own(call, body, headers);
        if (!settlement.Open(call))
            return null;
        using var upstream = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        HttpResponseMessage? answer = null;
        try
        {
            call.Leaves();
            upstream.CancelAfter(call.Provider!.FirstByteTimeout);
            answer = await clients.For(call.Provider).SendAsync(message, upstream.Token);
            (call.Status, call.ProviderRequestId) = ((int)answer.StatusCode, UpstreamFaults.ProviderRequestId(answer));
            upstream.CancelAfter(call.Provider.IdleTimeout);
            await Relay.ReadAsync(answer, call, upstream, call.Provider.IdleTimeout);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or AddressRefusedException)
        {
            (call.Outcome, call.NeverLeft) = (CallOutcome.Unreachable, UpstreamFaults.NeverLeft(e));
        }
        catch (OperationCanceledException e)
        {
            // A cancellation of nobody's but the connection pool's: the request never left.
            (call.Outcome, call.NeverLeft) = cancellationToken.IsCancellationRequested ? (CallOutcome.CutByProxy, false) : upstream.IsCancellationRequested ? (CallOutcome.TimedOut, false) : (CallOutcome.Unreachable, UpstreamFaults.NeverLeft(e));
        }
        finally
        {
            answer?.Dispose();
            settlement.Settle(call);
        }

        return call is { Status: 200, Outcome: CallOutcome.Completed, OutputLimit: null, Copy.Bytes: { } bytes } && AnswerReading.Of(call.Dialect!.Name, bytes, call.Streamed, call.Provider!.Quirks) is { } read
            ? new OwnAnswer(read, call.Event!)
            : null;
    }
}
