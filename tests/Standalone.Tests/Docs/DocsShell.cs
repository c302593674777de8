using System.Diagnostics;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Docs;

/// <summary>
/// A shell in which the pages' commands run as they stand. <c>tokonomics</c> is the product as it is built; <c>tokonomics serve</c> and <c>sandbox</c>, which go on until they are told to stop, are here started, asked
/// whether they answer, and stopped, and fail where they don't end in order.
/// </summary>
internal sealed class DocsShell : IDisposable
{
    // What is asked of a server that was started; with "while_serving" the rest of a block.
    private const string Prelude = """
        set -euo pipefail
        product() { dotnet "$PRODUCT" "$@"; }
        while_up() { # URL SERVER-ARGUMENTS -- COMMAND
          local url="$1" server=(); shift
          while [ "$1" != -- ]; do server+=("$1"); shift; done; shift
          dotnet "$PRODUCT" "${server[@]}" >"$SERVER_LOG" 2>&1 & local id=$!
          until curl -fsSk -o /dev/null "$url" 2>/dev/null; do kill -0 $id 2>/dev/null || { cat "$SERVER_LOG" >&2; return 1; }; sleep 0.2; done
          local failed=0; "$@" || failed=$?
          kill -TERM $id; wait $id || { cat "$SERVER_LOG" >&2; return 1; }
          return $failed
        }
        tokonomics() {
          case "${1:-serve}" in
            serve) while_up "$READY" serve -- curl -sSk "$READY" ;;
            sandbox) while_up "http://127.0.0.1:$3/v1/models" "$@" -- echo "the sandbox answers" ;;
            *) product "$@" ;;
          esac
        }
        sudo() { "$@"; }

        """;

    private readonly TestFolder _folder = new();
    private readonly Dictionary<string, string> _environment = [];

    public DocsShell(string data, Uri? url = null)
    {
        url ??= new Uri($"http://127.0.0.1:{ProductProcess.FreePort()}");
        Set("TOKONOMICS_DATA", data);
        Set("ASPNETCORE_URLS", url.ToString().TrimEnd('/'));
        Set("READY", new Uri(url, "/readyz").ToString());
        Set("PRODUCT", System.IO.Path.Combine(ProductProcess.Folder, "Tokonomics.Standalone.dll"));
        Set("SERVER_LOG", System.IO.Path.Combine(_folder.Path, "server.log"));
        Set("Proxy__ShedAfter", "00:01:00"); // as in TestProduct
    }

    /// <summary>Where commands run.</summary>
    public string Path => _folder.Path;

    public string ServerLog => File.ReadAllText(_environment["SERVER_LOG"]);

    public DocsShell Set(string name, string value)
    {
        _environment[name] = value;
        return this;
    }

    /// <param name="replaced">What a page leaves to its reader, and what it is here; each must be in the text.</param>
    /// <returns>What was printed, on either stream, and the exit code.</returns>
    public async Task<(int ExitCode, string Output)> TryAsync(string text, params (string Page, string Here)[] replaced)
    {
        foreach (var (page, here) in replaced)
        {
            text.ShouldContain(page);
            text = text.Replace(page, here, StringComparison.Ordinal);
        }

        text.ShouldNotContain("…", customMessage: "the reader's part was not filled in");
        var start = new ProcessStartInfo("bash", ["-c", Prelude + text]) { WorkingDirectory = _folder.Path, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in _environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return (process.ExitCode, await output + await errors);
    }

    /// <summary>As <see cref="TryAsync"/>, and it must succeed.</summary>
    public async Task<string> RunAsync(string text, params (string Page, string Here)[] replaced)
    {
        var (exit, output) = await TryAsync(text, replaced);
        exit.ShouldBe(0, output);
        return output;
    }

    public void Dispose() => _folder.Dispose();
}
