using Tokonomics.Application.Idempotency;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Ledger;

/// <summary>Deletes expired Idempotency-Keys every hour. Until then they take room and nothing else: an expired key is free.</summary>
[Job("forget-idempotency-keys")]
internal sealed class ForgetIdempotencyKeys(IIdempotencyKeys keys, TimeProvider time) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken) => new($"deleted {Say.Count(await keys.ForgetExpiredAsync(time.GetUtcNow(), cancellationToken), "expired key")}");
}
