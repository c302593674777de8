using System.CommandLine;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>verify</c>: the ledger's invariants on the store as it stands.</summary>
internal static class Verify
{
    public static Command Command()
    {
        var tenant = new Option<string?>("--tenant") { Description = "One tenant's id; all without it" };
        var command = new Command("verify", "Checks the ledger's invariants and prints what doesn't hold, and what budgets count that no cost explains. Exit code 1 where something doesn't.") { tenant };
        command.SetAction((parse, cancellationToken) => StoreCommand.RunAsync(async services =>
        {
            var report = await services.GetRequiredService<ILedgerVerification>().RunAsync(parse.GetValue(tenant), cancellationToken);
            foreach (var check in report.Checks)
            {
                var findings = report.Findings.Where(f => f.Check == check).ToList();
                await Console.Out.WriteLineAsync($"{(findings.Count == 0 ? "holds " : "BROKEN")}  {check}");
                foreach (var finding in findings)
                    await Console.Out.WriteLineAsync($"          {finding.Row}");
            }

            foreach (var note in report.Notes)
                await Console.Out.WriteLineAsync($"note    {note}");
            return report.Intact ? 0 : 1;
        }));
        return command;
    }
}
