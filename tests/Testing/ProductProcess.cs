using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tokonomics.Testing;

/// <summary>The product as a process, as a user starts it.</summary>
public sealed class ProductProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly Task _reading;

    private ProductProcess(Process process, Uri url, string data)
    {
        (_process, Url, Data) = (process, url, data);
        _reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    public Uri Url { get; }

    public string Data { get; }

    /// <summary>Everything that it printed so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    /// <summary>Serves until disposed; returns once it is ready.</summary>
    public static async Task<ProductProcess> ServeAsync(string data, IEnumerable<KeyValuePair<string, string>>? environment = null, int? port = null)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                return await StartAsync(data, environment, port);
            }
            catch (InvalidOperationException e) when (port is null && tries < 3 && e.Message.Contains("address already in use", StringComparison.Ordinal))
            {
                // A port that was free a moment ago.
            }
        }
    }

    private static async Task<ProductProcess> StartAsync(string data, IEnumerable<KeyValuePair<string, string>>? environment, int? port)
    {
        var url = new Uri($"http://127.0.0.1:{port ?? FreePort()}");
        var process = Start([], data, url, environment);
        var product = new ProductProcess(process, url, data);
        using var client = new HttpClient();
        var giveUp = Stopwatch.StartNew();
        while (true)
        {
            if (process.HasExited || giveUp.Elapsed > TimeSpan.FromSeconds(60))
            {
                await process.WaitForExitAsync();
                throw new InvalidOperationException($"the product did not start: {product.Output}");
            }

            try
            {
                if ((await client.GetAsync(new Uri(url, "/readyz"))).IsSuccessStatusCode && product.Output.Contains("Ctrl+C", StringComparison.Ordinal))
                    return product;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            await Task.Delay(50);
        }
    }

    /// <summary>Runs a command to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string data, string[] arguments, Uri? url = null, string? input = null)
    {
        using var process = Start(arguments, data, url ?? new Uri($"http://127.0.0.1:{FreePort()}"), null);
        if (input is not null)
            await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output, await errors);
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Asks it to stop, as a service manager does, and waits until it has.</summary>
    public async Task<int> TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        await _process.WaitForExitAsync();
        await _reading;
        return _process.ExitCode;
    }

    /// <summary>Ends it with SIGKILL: no word of it runs any more.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        await _reading;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await TerminateAsync();
        _process.Dispose();
    }

    private static Process Start(string[] arguments, string data, Uri url, IEnumerable<KeyValuePair<string, string>>? environment)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Tokonomics.Standalone.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["TOKONOMICS_DATA"] = data;
        start.Environment["ASPNETCORE_URLS"] = url.ToString().TrimEnd('/');
        foreach (var (name, value) in environment ?? [])
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
            lock (_output)
                _output.AppendLine(line);
    }
}
