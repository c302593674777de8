using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Infrastructure;
using Tokonomics.Standalone;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>PostgreSQL's bytes on disk of each table and index, a partitioned one's parts together; what <see cref="Grow"/> remembers is left out. Of SQLite its command-line tool tells: the library has no dbstat.</summary>
internal static class Sizes
{
    private const string Relations = """
        SELECT (SELECT relname FROM pg_class WHERE oid = coalesce(pg_partition_root(c.oid), c.oid)), CASE c.relkind WHEN 'i' THEN 'index' ELSE 'table' END,
            (sum(CASE c.relkind WHEN 'i' THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END))::bigint
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') AND c.relname NOT LIKE 'bench\_%' GROUP BY 1, 2
        """;

    public static int Run()
    {
        using var services = Product.BuildStore(StoreSetup.DataFolder);
        using var connection = services.GetRequiredService<ISqlStore>().Open();
        using var command = connection.CreateCommand();
        (command.CommandText, command.CommandTimeout) = (Relations, 0);
        using var reader = command.ExecuteReader();
        var relations = new List<object>();
        while (reader.Read())
            relations.Add(new { name = reader.GetString(0), kind = reader.GetString(1), bytes = Convert.ToInt64(reader.GetValue(2), CultureInfo.InvariantCulture) });
        Console.WriteLine(JsonSerializer.Serialize(new { relations }));
        return 0;
    }
}
