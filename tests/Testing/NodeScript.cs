using System.Diagnostics;

namespace Tokonomics.Testing;

/// <summary>A script of <c>tests/clients</c> in Node, where the real libraries are (<c>npm ci</c> there first; ./test.sh does).</summary>
public static class NodeScript
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <param name="input">To its standard input.</param>
    /// <returns>What it printed.</returns>
    /// <exception cref="InvalidOperationException">It failed; with what it said.</exception>
    public static async Task<string> RunAsync(string script, string input, params string[] arguments)
    {
        var folder = Path.Combine(TestFolder.Root, "tests", "clients");
        if (!Directory.Exists(Path.Combine(folder, "node_modules", "stripe")))
            throw new InvalidOperationException("this test needs the packages of tests/clients: run npm ci --prefix tests/clients, or ./test.sh");
        var start = new ProcessStartInfo("node") { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(script);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var node = Process.Start(start)!;
        var (printed, said) = (node.StandardOutput.ReadToEndAsync(), node.StandardError.ReadToEndAsync());
        await node.StandardInput.WriteAsync(input);
        node.StandardInput.Close();
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            await node.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            node.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"{script} did not end within {Patience}: {await said}");
        }

        return node.ExitCode == 0 ? await printed : throw new InvalidOperationException($"{script} ended with {node.ExitCode}: {await said}\n{await printed}");
    }
}
