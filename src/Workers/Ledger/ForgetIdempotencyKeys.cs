using Quartz;
using Tokonomics.Application.Idempotency;

namespace Tokonomics.Workers.Ledger;

/// <summary>Deletes expired Idempotency-Keys every hour. Until then they take room and nothing else: an expired key is free.</summary>
[DisallowConcurrentExecution]
internal sealed class ForgetIdempotencyKeys(IIdempotencyKeys keys, TimeProvider time) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await keys.ForgetExpiredAsync(time.GetUtcNow(), cancellationToken);
}
