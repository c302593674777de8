using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Tokonomics.Testing.FakeStripe;

/// <summary>Stripe's own command line, the program that its npm package carries.</summary>
public static class StripeCommand
{
    private static string Program => Path.Combine(
        TestFolder.Root, "tests", "clients", "node_modules", "@stripe", $"cli-linux-{(RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "arm64" : "x64")}", "bin", "stripe");

    /// <returns>All that it said.</returns>
    /// <exception cref="InvalidOperationException">It isn't there, or failed.</exception>
    public static async Task<string> RunAsync(params string[] arguments)
    {
        if (!File.Exists(Program))
            throw new InvalidOperationException($"this test needs {Program}: run npm ci --prefix tests/clients, or ./test.sh");
        var home = Directory.CreateTempSubdirectory("tokonomics-stripe-");
        try
        {
            var start = new ProcessStartInfo(Program) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = home.FullName };
            foreach (var argument in arguments)
                start.ArgumentList.Add(argument);
            start.Environment["HOME"] = home.FullName;
            start.Environment["XDG_CONFIG_HOME"] = home.FullName;
            start.Environment["STRIPE_CLI_TELEMETRY_OPTOUT"] = "1";
            using var process = Process.Start(start)!;
            var (printed, said) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            try
            {
                await process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
            }

            var all = await printed + await said;
            return process.ExitCode == 0 ? all : throw new InvalidOperationException($"stripe {string.Join(' ', arguments)} ended with {process.ExitCode}: {all}");
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }
}
