using Microsoft.Data.Sqlite;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>A copy of the database file as it is at one moment, while the product serves: SQLite's own online backup. Whoever writes meanwhile goes on.</summary>
public sealed class SqliteBackup(SqliteDatabase database)
{
    /// <param name="file">Where it goes; it must not be there yet. It appears under its name when it is whole.</param>
    /// <exception cref="InvalidOperationException">There is such a file, or the copy is damaged.</exception>
    public void Run(string file)
    {
        if (File.Exists(file))
            throw new InvalidOperationException($"{file} is there already: name another folder, so that no backup is written over.");
        var partial = file + ".partial";
        File.Delete(partial);
        OwnFiles.MakeFile(partial);
        using (var source = database.OpenFile())
        using (var target = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = partial, Pooling = false }.ToString()))
        {
            target.Open();
            source.BackupDatabase(target);
            // A copy by itself: no log beside it.
            using var plain = target.Command(null, "PRAGMA journal_mode=DELETE");
            plain.ExecuteNonQuery();
            if (target.Scalar("PRAGMA integrity_check") is not "ok")
                throw new InvalidOperationException($"the copy {partial} is damaged: is the disk sound?");
        }

        using (var whole = new FileStream(partial, FileMode.Open, FileAccess.Read))
            whole.Flush(flushToDisk: true);
        File.Move(partial, file);
    }
}
