using System.CommandLine;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>sandbox</c>: the sandbox provider by itself, for several proxies, or to outlive them.</summary>
internal static class Sandbox
{
    public static Command Command()
    {
        var port = new Option<int>("--port") { Description = "The port on 127.0.0.1; 0 takes a free one", DefaultValueFactory = _ => 9090 };
        var bill = new Option<string?>("--bill") { Description = "The bill's file, appended to; sandbox-bill.jsonl in the data folder without it" };
        var pace = new Option<string>("--pace") { Description = "normal (5 ms to the first byte, 2 ms before each chunk) or none", DefaultValueFactory = _ => "normal" };
        pace.AcceptOnlyFromAmong("normal", "none");
        var command = new Command("sandbox", "Serves the sandbox provider alone. Proxies reach it by Proxy__SandboxUrl for test keys, or by Providers__openai__BaseUrl and others for live ones.") { port, bill, pace };
        command.SetAction((parse, cancellationToken) => RunAsync(
            parse.GetValue(port), parse.GetValue(bill) ?? Path.Combine(StoreSetup.DataFolder, SandboxBill.FileName(null)), parse.GetValue(pace) == "none" ? SandboxPace.None : SandboxPace.Default, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(int port, string bill, SandboxPace pace, CancellationToken cancellationToken)
    {
        try
        {
            await using var server = await SandboxServer.StartNewAsync(new SandboxOptions { Port = port, BillPath = bill, Pace = pace }, cancellationToken);
            await Console.Out.WriteLineAsync($"The sandbox serves on {server.BaseUrl}, with its bill in {Path.GetFullPath(bill)}. Ctrl+C stops it.");
            await Task.Delay(Timeout.Infinite, cancellationToken).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            await server.StopAsync(CancellationToken.None);
            return 0;
        }
        catch (Exception e) when (HostSetup.Explain(e) is { } why)
        {
            return await StoreCommand.FailAsync(why);
        }
    }
}
