using Tokonomics.Application.Users;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Users;

/// <summary>Which forms were sent already, for a day.</summary>
internal sealed class SentForms(ISqlStore store, TimeProvider time) : ISentForms
{
    public Task<bool> FirstAsync(string formId, CancellationToken cancellationToken)
    {
        var now = UsageRow.Micros(time.GetUtcNow());
        return store.WriteAsync(
            t =>
            {
                t.Execute("DELETE FROM sent_forms WHERE at < @old", ("@old", now - (24L * 3600 * 1_000_000)));
                return t.Execute("INSERT INTO sent_forms (form_id, at) VALUES (@id, @now) ON CONFLICT (form_id) DO NOTHING", ("@id", formId), ("@now", now)) == 1;
            },
            cancellationToken);
    }
}
