using System.CommandLine;
using Tokonomics.Application.Budgets;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>nodes</c>: which runs of which proxies hold leases on budgets, and how an operator closes one that won't come back.</summary>
internal static class Nodes
{
    public static Command Command()
    {
        var command = new Command("nodes", "Lists the runs of proxies that hold leases on budgets. One that was killed and comes back with its journal takes its leases back by itself.");
        command.SetAction((_, cancellationToken) => StoreCommand.RunAsync(async services =>
        {
            foreach (var node in await services.GetRequiredService<IBudgetTruth>().NodesAsync(cancellationToken))
                await Console.Out.WriteLineAsync($"{node.Node}  {node.Outstanding} USD leased on {node.Accounts} accounts");
            return 0;
        }));
        command.Subcommands.Add(Close());
        return command;
    }

    private static Command Close()
    {
        var node = new Argument<string>("node") { Description = "The run, as 'nodes' prints it" };
        var unspent = new Option<bool>("--unspent") { Description = "Give its leases back as unspent. Only where it is certain that it sent no call that is not in the ledger: its journal was read, or it served nothing" };
        var command = new Command("close", "Closes a run whose machine and journal are gone. Its leases count as spent, since nobody can know what it still did; if its journal turns up, what it tells comes off that.") { node, unspent };
        command.SetAction((parse, cancellationToken) => StoreCommand.RunAsync(async services =>
        {
            var truth = services.GetRequiredService<IBudgetTruth>();
            var name = parse.GetValue(node)!;
            if ((await truth.NodesAsync(cancellationToken)).All(n => n.Node != name))
                return await StoreCommand.FailAsync($"no run '{name}' holds leases: 'tokonomics nodes' lists those that do");
            var asSpent = !parse.GetValue(unspent);
            var taken = await truth.CloseNodeAsync(name, asSpent, cancellationToken);
            await Console.Out.WriteLineAsync($"closed {name}: {taken} USD {(asSpent ? "count as spent" : "are free again")}");
            return 0;
        }));
        return command;
    }
}
