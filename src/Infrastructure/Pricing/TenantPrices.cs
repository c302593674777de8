using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Pricing;

/// <summary>The price book of a tenant that has rates of its own: the common book with those laid over it, written down before it rates a call.</summary>
public sealed class TenantPrices(ISqlStore store, PriceBook common, PriceVersions versions, IPriceOverrideReader reader)
{
    /// <summary>Null where the tenant has none.</summary>
    /// <exception cref="PriceSheetException">What is stored can't be read: another version of the program wrote it.</exception>
    public PriceBook? Find(string tenantId)
    {
        using var connection = store.Open();
        var rows = connection.Command(null, "SELECT id, provider, model, rates, valid_from, created_at, created_by FROM price_overrides WHERE tenant_id = @tenant", ("@tenant", tenantId)).Rows(row => new StoredPriceOverride
        {
            TenantId = tenantId,
            Id = row.GetString(0),
            Provider = row.GetString(1),
            Model = row.GetString(2),
            Rates = row.GetString(3),
            ValidFrom = UsageRow.Time(row.GetInt64(4)),
            CreatedAt = UsageRow.Time(row.GetInt64(5)),
            CreatedBy = row.GetString(6),
        });
        if (rows.Count == 0)
            return null;
        var book = common.Overlay(reader.Read(rows).ToBook());
        versions.Keep(book);
        return book;
    }
}
