using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Tokonomics.Infrastructure.Postgres;

namespace Tokonomics.Testing;

/// <summary>
/// A PostgreSQL server of its own on a free port of 127.0.0.1, its data in a folder that goes with it. It ends with the process that started it,
/// however that ends: a shell between them waits for the end of its standard input. Its texts sort by an ICU locale, so that SQL which leans on the order
/// of bytes has to say so.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private static readonly Lazy<Task<PostgresServer>> OfThisProcess = new(() => StartAsync());

    private readonly string _folder;
    private readonly bool _durable;
    private readonly bool _mounted;
    private readonly SemaphoreSlim _templating = new(1, 1);
    private Process? _shell;
    private int _port;
    private bool _hasTemplate;
    private int _databases;

    private PostgresServer(string folder, bool durable, bool mounted) => (_folder, _durable, _mounted) = (folder, durable, mounted);

    /// <summary>The one that all tests of an assembly share, started by the first that asks. Whoever stops servers takes one of its own.</summary>
    public static Task<PostgresServer> SharedAsync() => OfThisProcess.Value;

    /// <param name="durable">With fsync: for tests that make it crash.</param>
    /// <param name="diskMegabytes">Its data on a disk of their own of that size, which <see cref="FillDisk"/> makes full; whoever mounts it needs the right to. 0: where temporary files are.</param>
    public static async Task<PostgresServer> StartAsync(bool durable = false, int diskMegabytes = 0)
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-postgres-").FullName;
        if (Environment.IsPrivilegedProcess)
            await RunAsync("chown", "postgres", folder);
        var server = new PostgresServer(folder, durable, diskMegabytes > 0);
        if (diskMegabytes > 0)
        {
            Directory.CreateDirectory(server.Data);
            await RunAsync("mount", "-t", "tmpfs", "-o", $"size={diskMegabytes}m,mode=700,uid=postgres", "tokonomics-test", server.Data);
        }

        await RunAsync(
            As(
                "postgres", Binary("initdb"), "-D", server.Data, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en",
                $"--wal-segsize={(diskMegabytes > 0 ? 1 : 16)}"));
        await server.StartAgainAsync();
        return server;
    }

    private string Data => Path.Combine(_folder, "data");

    private string LogFile => Path.Combine(_folder, "log");

    public string ConnectionString(string database) => ConnectionString(database, _port);

    private static string ConnectionString(string database, int port) => $"Host=127.0.0.1;Port={port};Database={database};Username=postgres;Include Error Detail=true";

    /// <summary>A new database.</summary>
    /// <param name="migrated">With the schema of this program in it, copied from a template: some 50 ms. Otherwise empty.</param>
    /// <returns>Its connection string.</returns>
    public async Task<string> CreateDatabaseAsync(bool migrated = true)
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        if (migrated)
            await MakeTemplateAsync();
        await ExecuteAsync($"CREATE DATABASE {name} TEMPLATE {(migrated ? "migrated" : "template0")}");
        return ConnectionString(name);
    }

    /// <summary>Drops it with whoever is still connected.</summary>
    public Task DropAsync(string connectionString) => ExecuteAsync($"DROP DATABASE IF EXISTS {new NpgsqlConnectionStringBuilder(connectionString).Database} WITH (FORCE)");

    /// <summary>On the server's own database.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString("postgres") + ";Pooling=false");
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>As a crash: what is open is broken off, nothing is flushed (<c>pg_ctl stop -m immediate</c>).</summary>
    public async Task StopImmediateAsync()
    {
        await _shell!.StandardInput.WriteLineAsync("keep");
        await _shell.StandardInput.FlushAsync();
        await _shell.WaitForExitAsync();
        _shell.Dispose();
        _shell = null;
    }

    /// <summary>Stops all of it with SIGSTOP: connections stand, new ones are taken by the system, and nothing is answered.</summary>
    public Task PauseAsync() => SignalAllAsync("STOP");

    public Task ContinueAsync() => SignalAllAsync("CONT");

    private async Task SignalAllAsync(string signal)
    {
        var postmaster = (await File.ReadAllLinesAsync(Path.Combine(Data, "postmaster.pid")))[0];
        // The postmaster first, so that it makes no child that is missed.
        using var kill = Process.Start("sh", ["-c", $"kill -{signal} {postmaster}; kill -{signal} $(pgrep -P {postmaster})"]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Takes what is left of its disk. What the server frees meanwhile is taken by calling this again.</summary>
    public void FillDisk()
    {
        var some = new byte[8192];
        using var ballast = new FileStream(Ballast, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            while (true)
                ballast.Write(some);
        }
        catch (IOException)
        {
            // Full.
        }
    }

    /// <summary>Begins a new file of its log wherever the present one is. On a full disk it has none to begin, and ends.</summary>
    public async Task SkipLogAsync()
    {
        try
        {
            await ExecuteAsync("SELECT pg_logical_emit_message(true, 'test', 'so that there is something to skip'), pg_switch_wal()");
        }
        catch (NpgsqlException)
        {
            // It has ended, or there is no connection to it.
        }
    }

    /// <summary>There is room again. A server that ended for want of it is started.</summary>
    /// <returns>Whether it had ended.</returns>
    public async Task<bool> EmptyDiskAsync()
    {
        File.Delete(Ballast);
        while (true)
        {
            // It may be in the middle of ending, or of mending what a crash left.
            var pid = Path.Combine(Data, "postmaster.pid");
            if (!File.Exists(pid) || !Directory.Exists($"/proc/{(await File.ReadAllLinesAsync(pid))[0]}"))
            {
                await StopImmediateAsync();
                await StartAgainAsync();
                return true;
            }

            try
            {
                await using var connection = new NpgsqlConnection(ConnectionString("postgres") + ";Pooling=false;Timeout=5");
                await connection.OpenAsync();
                return false;
            }
            catch (NpgsqlException)
            {
                await Task.Delay(100);
            }
        }
    }

    /// <summary>What it logged.</summary>
    public Task<string> LogAsync() => File.ReadAllTextAsync(LogFile);

    private string Ballast => Path.Combine(Data, "ballast");

    /// <summary>Starts it on what is in its folder, on the same port where it had one, and waits until it takes connections.</summary>
    public async Task StartAgainAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            var port = _port == 0 ? FreePort() : _port;
            var logged = File.Exists(LogFile) ? (await File.ReadAllTextAsync(LogFile)).Length : 0;
            string[] postgres =
            [
                Binary("postgres"), "-D", Data, "-p", port.ToString(), "-k", _folder, "-h", "127.0.0.1", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", $"fsync={(_durable ? "on" : "off")}",
                .. _mounted ? (string[])["-c", "min_wal_size=2MB", "-c", "max_wal_size=8MB"] : [],
            ];
            var script = $"{string.Join(' ', postgres.Select(a => $"'{a}'"))} >>'{LogFile}' 2>&1 & pid=$!; read line; kill -QUIT $pid; wait $pid; [ \"$line\" = keep ] || rm -rf {(_mounted ? $"'{Data}'/*" : $"'{_folder}'")}";
            var start = As("postgres", "sh", "-c", script);
            _shell = Process.Start(new ProcessStartInfo(start[0], start[1..]) { RedirectStandardInput = true, WorkingDirectory = "/" })!;
            if (await AnswersAsync(port, logged))
            {
                _port = port;
                return;
            }

            await StopImmediateAsync();
            if (attempt == (_port == 0 ? 5 : 40))
                throw new InvalidOperationException($"PostgreSQL doesn't start:\n{await File.ReadAllTextAsync(LogFile)}");
            // A new server takes another port; one that comes back waits until its own is free again.
            if (_port != 0)
                await Task.Delay(500);
        }
    }

    private async Task<bool> AnswersAsync(int port, int logged)
    {
        var text = ConnectionString("postgres", port) + ";Pooling=false;Timeout=5";
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(60); await Task.Delay(50))
        {
            try
            {
                await using var connection = new NpgsqlConnection(text);
                await connection.OpenAsync();
                // Another server may have been quicker on this port.
                await using var command = new NpgsqlCommand("SHOW data_directory", connection);
                return (string?)await command.ExecuteScalarAsync() == Data;
            }
            catch (NpgsqlException)
            {
                if (File.Exists(LogFile) && (await File.ReadAllTextAsync(LogFile))[logged..].Contains("database system is shut down", StringComparison.Ordinal))
                    return false; // the port was taken
            }
        }

        return false;
    }

    private async Task MakeTemplateAsync()
    {
        await _templating.WaitAsync();
        try
        {
            if (_hasTemplate)
                return;
            await ExecuteAsync("CREATE DATABASE migrated");
            using (var database = new PostgresDatabase(ConnectionString("migrated")))
                new PostgresMigrator(database, new PostgresPartitions(database, TimeProvider.System, NullLogger<PostgresPartitions>.Instance), TimeProvider.System).Migrate();
            await ExecuteAsync("ALTER DATABASE migrated ALLOW_CONNECTIONS false");
            _hasTemplate = true;
        }
        finally
        {
            _templating.Release();
        }
    }

    /// <summary>The newest server on this machine.</summary>
    private static string Binary(string name) =>
        (Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql") : [])
            .OrderByDescending(d => int.TryParse(Path.GetFileName(d), out var version) ? version : 0)
            .Select(d => Path.Combine(d, "bin", name))
            .Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(d => Path.Combine(d, name)))
            .FirstOrDefault(File.Exists)
        ?? throw new InvalidOperationException($"These tests need PostgreSQL, and {name} is not on this machine: apt-get install postgresql (./test.sh does).");

    // The server refuses to run as root.
    private static string[] As(string user, params string[] command) => Environment.IsPrivilegedProcess ? ["runuser", "-u", user, "--", .. command] : command;

    private static async Task RunAsync(params string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{string.Join(' ', command)} failed:\n{await output}{await error}");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async ValueTask DisposeAsync()
    {
        if (_shell is null)
            return;
        _shell.StandardInput.Close();
        await _shell.WaitForExitAsync();
        _shell.Dispose();
        _shell = null;
        _templating.Dispose();
        if (!_mounted)
            return;
        await RunAsync("umount", Data);
        Directory.Delete(_folder, recursive: true);
    }
}
