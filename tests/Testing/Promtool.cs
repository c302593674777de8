using System.Diagnostics;

namespace Tokonomics.Testing;

/// <summary>Prometheus's own checks; from Debian's package prometheus.</summary>
public static class Promtool
{
    /// <param name="input">What it reads from standard input.</param>
    public static async Task<(int ExitCode, string Output)> RunAsync(string[] arguments, string? input = null)
    {
        using var process = Process.Start(new ProcessStartInfo("promtool", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (input is not null)
            await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }
}
