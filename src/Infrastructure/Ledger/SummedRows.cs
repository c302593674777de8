using System.Data.Common;
using System.Globalization;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Adds rows of sums to a table: those of a key that is there are added up. Sums saturate rather than overflow.</summary>
internal static class SummedRows
{
    private const int RowsInStatement = 500;

    /// <param name="key">The columns of the table's key.</param>
    /// <param name="sums">Those that are added up.</param>
    /// <param name="rows">Each the cells of the key, then those of the sums; in the order of their keys, so that two nodes that add to the same ones never wait for each other.</param>
    /// <param name="storable">How the store has to have a text; null where it takes any.</param>
    public static void Add(DbTransaction transaction, string table, string key, IReadOnlyList<string> sums, IEnumerable<object[]> rows, Func<string, string>? storable)
    {
        foreach (var chunk in rows.Chunk(RowsInStatement))
        {
            using var command = transaction.Command("");
            var values = chunk.Select((cells, i) => "(" + string.Join(", ", cells.Select(
                (cell, j) => command.Add(string.Create(CultureInfo.InvariantCulture, $"@v{i}_{j}"), cell is string text && storable is not null ? storable(text) : cell).ParameterName)) + ")");
            command.CommandText = $"""
                INSERT INTO {table} ({key}, {string.Join(", ", sums)}) VALUES {string.Join(", ", values)}
                ON CONFLICT ({key}) DO UPDATE SET {string.Join(", ", sums.Select(s => $"{s} = {Sum(table, s)}"))}
                """;
            command.ExecuteNonQuery();
        }
    }

    private static string Sum(string table, string column) => $"CASE WHEN {table}.{column} > 9000000000000000000 - abs(excluded.{column}) THEN 9000000000000000000 ELSE {table}.{column} + excluded.{column} END";
}
