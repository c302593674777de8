using System.Diagnostics;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Tokonomics.Testing;

/// <summary>nginx with the configuration that the project ships, its names put in place of this machine's addresses.</summary>
public sealed class Nginx : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _folder;

    private Nginx(Process process, string folder, Uri url) => (_process, _folder, Url) = (process, folder, url);

    public Uri Url { get; }

    /// <summary>Where its process id stands.</summary>
    public string PidFile => Path.Combine(_folder, "pid");

    /// <summary>What it logged as an error.</summary>
    public string Errors => File.Exists(Path.Combine(_folder, "error.log")) ? File.ReadAllText(Path.Combine(_folder, "error.log")) : "";

    /// <param name="hosts">Where the hosts of the configuration are: <c>proxy-1:8080</c> → <c>127.0.0.1:1234</c>.</param>
    /// <param name="change">A last change to the text of all files; null for none.</param>
    public static async Task<Nginx> StartAsync(IReadOnlyDictionary<string, Uri> hosts, Func<string, string>? change = null)
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-nginx-").FullName;
        var url = new Uri($"http://127.0.0.1:{ProductProcess.FreePort()}");
        return await RunAsync(folder, url, Write(folder, url, hosts, tls: null, change));
    }

    /// <summary>nginx with another configuration.</summary>
    /// <param name="http">What its http block has, given where it is to listen.</param>
    public static async Task<Nginx> WithAsync(Func<Uri, string> http)
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-nginx-").FullName;
        var url = new Uri($"http://127.0.0.1:{ProductProcess.FreePort()}");
        return await RunAsync(folder, url, Main(folder, http(url)));
    }

    private static async Task<Nginx> RunAsync(string folder, Uri url, string main)
    {
        var process = Process.Start(new ProcessStartInfo(Program(), ["-p", folder, "-c", main, "-e", Path.Combine(folder, "error.log")]))!;
        var nginx = new Nginx(process, folder, url);
        for (var tries = 0; ; tries++)
        {
            try
            {
                using var probe = new TcpClient("127.0.0.1", url.Port);
                return nginx;
            }
            catch (SocketException)
            {
                if (process.HasExited || tries == 500)
                    throw new InvalidOperationException($"nginx did not start: {nginx.Errors}");
                await Task.Delay(20);
            }
        }
    }

    /// <summary>Has nginx check the shipped configuration, with TLS where a certificate and key are given.</summary>
    public static async Task<(int ExitCode, string Output)> CheckAsync(IReadOnlyDictionary<string, Uri> hosts, (string Certificate, string Key)? tls)
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-nginx-").FullName;
        try
        {
            var main = Write(folder, new Uri($"http://127.0.0.1:{ProductProcess.FreePort()}"), hosts, tls, null);
            using var check = Process.Start(new ProcessStartInfo(Program(), ["-t", "-p", folder, "-c", main, "-e", "stderr"]) { RedirectStandardError = true })!;
            var output = await check.StandardError.ReadToEndAsync();
            await check.WaitForExitAsync();
            return (check.ExitCode, output);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Program() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Select(p => Path.Combine(p, "nginx")).FirstOrDefault(File.Exists)
        ?? throw new InvalidOperationException("nginx is missing: install Debian's nginx-light; ./test.sh does");

    private static string Write(string folder, Uri url, IReadOnlyDictionary<string, Uri> hosts, (string Certificate, string Key)? tls, Func<string, string>? change)
    {
        var shipped = Path.Combine(TestFolder.Root, "deploy", "nginx");
        foreach (var name in (string[])["tokonomics.conf", "locations.conf", "tls.conf"])
        {
            var text = File.ReadAllText(Path.Combine(shipped, name))
                .Replace("/etc/nginx/tokonomics/", folder + "/", StringComparison.Ordinal)
                .Replace("listen 8080", $"listen 127.0.0.1:{url.Port}", StringComparison.Ordinal)
                .Replace("listen 8443", $"listen 127.0.0.1:{ProductProcess.FreePort()}", StringComparison.Ordinal)
                .Replace("/etc/nginx/certificates/tls.crt", tls?.Certificate ?? "", StringComparison.Ordinal)
                .Replace("/etc/nginx/certificates/tls.key", tls?.Key ?? "", StringComparison.Ordinal);
            foreach (var (host, at) in hosts)
                text = Regex.Replace(text, $@"server {Regex.Escape(host)}\b", $"server {at.Authority}");
            File.WriteAllText(Path.Combine(folder, name), change?.Invoke(text) ?? text);
        }

        return Main(folder, $"include {folder}/tokonomics.conf;{(tls is null ? "" : $" include {folder}/tls.conf;")}");
    }

    private static string Main(string folder, string http)
    {
        var main = Path.Combine(folder, "nginx.conf");
        File.WriteAllText(main, $$"""
            daemon off; master_process off; worker_processes 1; pid {{folder}}/pid; error_log {{folder}}/error.log;
            events { worker_connections 4096; }
            http {
              client_body_temp_path {{folder}}/b; proxy_temp_path {{folder}}/p; fastcgi_temp_path {{folder}}/f; uwsgi_temp_path {{folder}}/u; scgi_temp_path {{folder}}/s;
              {{http}}
            }
            """);
        return main;
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
