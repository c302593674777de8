using System.Data.Common;
using System.Globalization;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Palette places in a relational store: one look-up for a page, and a write the first time that a value is shown.</summary>
public sealed class SqlPalettePlaces(ISqlStore store) : IPalettePlaces
{
    public async Task<IReadOnlyDictionary<string, int>> OfAsync(string tenantId, SpendDimension dimension, IReadOnlyList<string> values, CancellationToken cancellationToken)
    {
        if (values.Count == 0)
            return new Dictionary<string, int>();
        var name = dimension.ToString();
        var known = await Task.Run(
            () =>
            {
                using var connection = store.Open();
                using var command = connection.Command(null, "");
                return Known(command, tenantId, name, values);
            },
            cancellationToken);
        return values.All(known.ContainsKey) ? known : await store.WriteAsync(transaction => Given(transaction, tenantId, name, values), cancellationToken);
    }

    private Dictionary<string, int> Given(DbTransaction transaction, string tenantId, string dimension, IReadOnlyList<string> values)
    {
        // Two pages that show new values at once would give the same place to two of them.
        store.Lock(transaction, "palette/" + tenantId, exclusive: true);
        using var command = transaction.Command("");
        var places = Known(command, tenantId, dimension, values);
        var next = transaction.Command("SELECT coalesce(max(place) + 1, 0) FROM palette_places WHERE tenant_id = @tenant AND dimension = @dimension", ("@tenant", tenantId), ("@dimension", dimension))
            .Rows(row => row.GetInt32(0))[0];
        foreach (var value in values.Where(v => !places.ContainsKey(v)).Distinct(StringComparer.Ordinal).ToList())
        {
            transaction.Execute(
                "INSERT INTO palette_places (tenant_id, dimension, value, place) VALUES (@tenant, @dimension, @value, @place)", ("@tenant", tenantId), ("@dimension", dimension), ("@value", value), ("@place", next));
            places[value] = next++;
        }

        return places;
    }

    private static Dictionary<string, int> Known(DbCommand command, string tenantId, string dimension, IReadOnlyList<string> values)
    {
        command.Add("@tenant", tenantId);
        command.Add("@dimension", dimension);
        var names = values.Select((value, i) => command.Add("@v" + i.ToString(CultureInfo.InvariantCulture), value).ParameterName);
        command.CommandText = $"SELECT value, place FROM palette_places WHERE tenant_id = @tenant AND dimension = @dimension AND value IN ({string.Join(", ", names)})";
        return new Dictionary<string, int>(command.Rows(row => KeyValuePair.Create(row.GetString(0), row.GetInt32(1))), StringComparer.Ordinal);
    }
}
