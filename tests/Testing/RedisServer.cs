using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Tokonomics.Testing;

/// <summary>A Redis of the test's own: a private redis-server on a free port of 127.0.0.1, in a folder that goes with it.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly bool _appendOnly;
    private Process? _process;

    private readonly int _primary;

    private RedisServer(bool appendOnly, int primary) => (_appendOnly, _primary, Port) = (appendOnly, primary, ProductProcess.FreePort());

    public int Port { get; }

    public string ConnectionString => $"127.0.0.1:{Port}";

    /// <param name="appendOnly">What was written survives a kill, as far as it was forced to the disk: each command, here.</param>
    public static async Task<RedisServer> StartAsync(bool appendOnly = false)
    {
        var server = new RedisServer(appendOnly, primary: 0);
        await server.RestartAsync();
        return server;
    }

    /// <summary>A replica of this one; returns when it has all that this one has.</summary>
    /// <param name="link">To this one. Where it falls silent the replica stays behind, for good if it is then broken: a replica that merely stands still finds
    /// in its socket what was sent meanwhile.</param>
    public async Task<RedisServer> StartReplicaAsync(FaultyLink link)
    {
        var replica = new RedisServer(appendOnly: false, link.Port);
        await replica.RestartAsync();
        for (var tries = 0; tries < 100; tries++)
        {
            if (await IsFollowedAsync())
                return replica;
        }

        throw new InvalidOperationException("the replica does not follow");
    }

    /// <summary>Waits until a replica has all that was written here, half a second at most.</summary>
    public async Task<bool> IsFollowedAsync()
    {
        using var client = new TcpClient("127.0.0.1", Port);
        await using var stream = client.GetStream();
        // On one connection: WAIT is about what was written there.
        await stream.WriteAsync("SET written-to-be-followed 1\r\nWAIT 1 500\r\n"u8.ToArray());
        using var reader = new StreamReader(stream);
        await reader.ReadLineAsync();
        return await reader.ReadLineAsync() == ":1";
    }

    /// <summary>A replica takes over, with what it has.</summary>
    public Task PromoteAsync() => CommandAsync("REPLICAOF", "NO", "ONE");

    /// <summary>Starts it where it isn't running, on the same port; returns when it answers.</summary>
    /// <param name="empty">Without what it had written.</param>
    /// <param name="slowly">It takes a few seconds to load what it had written, and says so; returns when it does.</param>
    public async Task RestartAsync(bool empty = false, bool slowly = false)
    {
        if (_process is not null)
            return;
        if (empty && Directory.Exists(Path.Combine(_folder.Path, "appendonlydir")))
            Directory.Delete(Path.Combine(_folder.Path, "appendonlydir"), recursive: true);
        var start = new ProcessStartInfo("redis-server", ["--port", Text(Port), "--bind", "127.0.0.1", "--save", "", "--appendonly", _appendOnly ? "yes" : "no", "--appendfsync", "always", "--dir", _folder.Path, "--loglevel", "warning", "--repl-diskless-sync-delay", "0"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (_primary != 0)
        {
            start.ArgumentList.Add("--replicaof");
            start.ArgumentList.Add($"127.0.0.1 {_primary}");
        }

        if (slowly)
        {
            // 100 ms for each key of the base file, which the log is rewritten to; a look at the sockets after each kilobyte.
            foreach (var word in (string[])["--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024"])
                start.ArgumentList.Add(word);
        }

        try
        {
            _process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new InvalidOperationException("this test needs redis-server: ./test.sh installs it (Debian: apt install redis-server)", e);
        }

        _ = _process.StandardOutput.ReadToEndAsync();
        _ = _process.StandardError.ReadToEndAsync();
        for (var tries = 0; tries < 500; tries++)
        {
            if (_process.HasExited)
                throw new InvalidOperationException($"redis-server ended with {_process.ExitCode}");
            try
            {
                if (await CommandAsync("PING") is var answer && (answer == "+PONG" || (slowly && answer.StartsWith("-LOADING", StringComparison.Ordinal))))
                    return;
            }
            catch (SocketException)
            {
                // Not listening yet.
            }

            await Task.Delay(10);
        }

        throw new InvalidOperationException("redis-server does not answer");
    }

    /// <summary>Ends it with SIGKILL.</summary>
    public async Task KillAsync()
    {
        await ContinueAsync();
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    /// <summary>Stops it with SIGSTOP: connections stand, nothing is answered.</summary>
    public Task PauseAsync() => SignalAsync("STOP");

    public Task ContinueAsync() => SignalAsync("CONT");

    /// <summary>Empties it while it runs.</summary>
    public Task FlushAsync() => CommandAsync("FLUSHALL");

    /// <summary>Lets saving fail from now on, for which Redis refuses all writes.</summary>
    public async Task BreakSavingAsync()
    {
        Directory.CreateDirectory(Path.Combine(_folder.Path, "dump.rdb"));
        await CommandAsync("CONFIG", "SET", "save", "3600 1");
        await CommandAsync("BGSAVE");
    }

    public async Task MendSavingAsync()
    {
        Directory.Delete(Path.Combine(_folder.Path, "dump.rdb"));
        await CommandAsync("CONFIG", "SET", "save", "");
    }

    /// <summary>Rewrites its log, so that the next start loads keys and not commands.</summary>
    public async Task RewriteAsync()
    {
        await CommandAsync("BGREWRITEAOF");
        while (!Directory.EnumerateFiles(Path.Combine(_folder.Path, "appendonlydir"), "*.2.base.rdb").Any())
            await Task.Delay(20);
    }

    /// <summary>One command, written as in redis-cli without quotes; the first line of its answer.</summary>
    public async Task<string> CommandAsync(params string[] words)
    {
        if (words.Length == 1)
            words = words[0].Split(' ');
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", Port);
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"*{words.Length}\r\n");
        foreach (var word in words)
            text.Append(CultureInfo.InvariantCulture, $"${Encoding.UTF8.GetByteCount(word)}\r\n{word}\r\n");
        await socket.SendAsync(Encoding.UTF8.GetBytes(text.ToString()));
        var buffer = new byte[4096];
        var answer = "";
        while (!answer.Contains("\r\n", StringComparison.Ordinal))
        {
            var read = await socket.ReceiveAsync(buffer);
            if (read == 0)
                throw new SocketException((int)SocketError.ConnectionReset);
            answer += Encoding.UTF8.GetString(buffer, 0, read);
        }

        return answer[..answer.IndexOf("\r\n", StringComparison.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await KillAsync();
        _folder.Dispose();
    }

    private async Task SignalAsync(string signal)
    {
        if (_process is null)
            return;
        using var kill = Process.Start("kill", [$"-{signal}", Text(_process.Id)]);
        await kill.WaitForExitAsync();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
