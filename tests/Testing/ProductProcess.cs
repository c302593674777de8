using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tokonomics.Testing;

/// <summary>The product as processes, as a user starts them: all in one, or each host and the sandbox by itself.</summary>
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

    /// <summary>Where the hosts' programs are: what <c>TOKONOMICS_TEST_PRODUCT</c> names, a publish as users have it, or what was built beside the tests, which takes longer to start.</summary>
    public static string Folder { get; } = Environment.GetEnvironmentVariable("TOKONOMICS_TEST_PRODUCT") is { Length: > 0 } folder ? folder : AppContext.BaseDirectory;

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

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Everything in one serves until disposed; returns once it is ready.</summary>
    public static Task<ProductProcess> ServeAsync(string data, IEnumerable<KeyValuePair<string, string>>? environment = null, int? port = null) => StartAsync("Standalone", data, environment, port);

    /// <summary>A proxy alone. Those that share a data folder each need a journal node of their own.</summary>
    /// <param name="under">A program that becomes the proxy, such as <c>prlimit --nofile=1024</c>.</param>
    public static Task<ProductProcess> ProxyAsync(string data, string node, IEnumerable<KeyValuePair<string, string>>? environment = null, int? port = null, string[]? under = null) =>
        StartAsync("Web.Proxy", data, [new("Journal__Node", node), .. environment ?? []], port, under);

    public static Task<ProductProcess> PortalAsync(string data, IEnumerable<KeyValuePair<string, string>>? environment = null, int? port = null) => StartAsync("Web.Portal", data, environment, port);

    public static Task<ProductProcess> WorkersAsync(string data, IEnumerable<KeyValuePair<string, string>>? environment = null, int? port = null) => StartAsync("Workers", data, environment, port);

    /// <summary>The sandbox provider alone: it outlives the proxies that a test kills. Its bill is read with <c>SandboxBill.Read</c>.</summary>
    /// <param name="bill">The bill's file.</param>
    /// <param name="pace"><c>normal</c> or <c>none</c>.</param>
    public static async Task<ProductProcess> SandboxAsync(string bill, string pace = "normal", int? port = null)
    {
        var url = new Uri($"http://127.0.0.1:{port ?? FreePort()}");
        var process = Start("Standalone", ["sandbox", "--port", $"{url.Port}", "--bill", bill, "--pace", pace], Path.GetDirectoryName(bill)!, url, null);
        return await WhenAsync(new ProductProcess(process, url, Path.GetDirectoryName(bill)!), null);
    }

    /// <summary>The settings that make a sandbox the live provider of the names; its models need prices under them, which <see cref="SandboxPrices"/> writes.</summary>
    public static IEnumerable<KeyValuePair<string, string>> AsProvider(Uri sandbox, string pricesFolder, params string[] providers) =>
        [.. providers.Select(p => KeyValuePair.Create($"Providers__{p}__BaseUrl", sandbox.ToString().TrimEnd('/'))), new("Prices__Folder", pricesFolder)];

    /// <summary>Writes a price sheet for each provider in which the sandbox's models cost what its bill says.</summary>
    /// <returns>The folder, for <c>Prices__Folder</c>.</returns>
    public static string SandboxPrices(string folder, params string[] providers)
    {
        var sheet = File.ReadAllText(Path.Combine(TestFolder.Root, "src/Infrastructure/Pricing/Sheets/sandbox.json"));
        Directory.CreateDirectory(folder);
        foreach (var provider in providers)
            File.WriteAllText(Path.Combine(folder, provider + ".json"), sheet.Replace("\"provider\": \"sandbox\"", $"\"provider\": \"{provider}\"", StringComparison.Ordinal));
        return folder;
    }

    private static async Task<ProductProcess> StartAsync(string host, string data, IEnumerable<KeyValuePair<string, string>>? environment, int? port, string[]? under = null)
    {
        for (var tries = 1; ; tries++)
        {
            var url = new Uri($"http://127.0.0.1:{port ?? FreePort()}");
            try
            {
                return await WhenAsync(new ProductProcess(Start(host, [], data, url, environment, under), url, data), "/readyz");
            }
            catch (InvalidOperationException e) when (port is null && tries < 5
                && (e.Message.Contains("address already in use", StringComparison.Ordinal) || e.Message.Contains("can't be used: The operation has timed out", StringComparison.Ordinal)))
            {
                // Somebody was quicker on that port, or the machine so busy that the database didn't come to answer: a service manager would start it again too.
            }
        }
    }

    // Without a path what it prints is enough: a probe of the sandbox would stand on its bill.
    private static async Task<ProductProcess> WhenAsync(ProductProcess product, string? path)
    {
        using var client = new HttpClient();
        var giveUp = Stopwatch.StartNew();
        while (true)
        {
            // Long: a machine that builds something else at the same time may keep a process waiting for a minute.
            if (product.HasExited || giveUp.Elapsed > TimeSpan.FromMinutes(3))
            {
                var ended = product.HasExited;
                if (!ended)
                    await product.KillAsync();
                await product._reading;
                throw new InvalidOperationException($"the product did not start: {(ended ? $"it ended with {product._process.ExitCode}" : "it was not ready after three minutes")}\n{product.Output}");
            }

            try
            {
                if (product.Output.Contains("Ctrl+C", StringComparison.Ordinal) && (path is null || (await client.GetAsync(new Uri(product.Url, path))).IsSuccessStatusCode))
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
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string data, string[] arguments, Uri? url = null, string? input = null, IEnumerable<KeyValuePair<string, string>>? environment = null)
    {
        using var process = Start("Standalone", arguments, data, url ?? new Uri($"http://127.0.0.1:{FreePort()}"), environment);
        if (input is not null)
            await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
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
        await SignalAsync();
        return await ExitAsync();
    }

    /// <summary>Asks it to stop; it may take its time. Or another signal: <c>STOP</c>, <c>CONT</c>.</summary>
    public async Task SignalAsync(string signal = "TERM")
    {
        using var kill = Process.Start("kill", ["-" + signal, _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Waits for its end.</summary>
    public async Task<int> ExitAsync()
    {
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

    private static Process Start(string host, string[] arguments, string data, Uri url, IEnumerable<KeyValuePair<string, string>>? environment, string[]? under = null)
    {
        string[] command = [.. under ?? [], "dotnet", Path.Combine(Folder, $"Tokonomics.{host}.dll"), .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["TOKONOMICS_DATA"] = data;
        start.Environment["ASPNETCORE_URLS"] = url.ToString().TrimEnd('/');
        start.Environment["Proxy__ShedAfter"] = "00:01:00"; // as in TestProduct
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
