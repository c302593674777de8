using System.Data.Common;
using Tokonomics.Infrastructure;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>Statements that take as long as they take: the product's connections end theirs after seconds.</summary>
internal static class Sql
{
    public static Task<int> RunAsync(this ISqlStore store, Action<DbTransaction> work) => store.WriteAsync(
        transaction =>
        {
            work(transaction);
            return 0;
        },
        CancellationToken.None);

    public static void Execute(this DbTransaction transaction, string sql)
    {
        using var command = Command(transaction, sql);
        command.ExecuteNonQuery();
    }

    public static object Scalar(this DbTransaction transaction, string sql)
    {
        using var command = Command(transaction, sql);
        return command.ExecuteScalar()!;
    }

    public static List<string> Columns(this DbTransaction transaction, string table)
    {
        using var command = Command(transaction, $"SELECT * FROM {table} LIMIT 0");
        using var reader = command.ExecuteReader();
        return [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)];
    }

    private static DbCommand Command(DbTransaction transaction, string sql)
    {
        var command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText, command.CommandTimeout) = (transaction, sql, 0);
        return command;
    }
}
