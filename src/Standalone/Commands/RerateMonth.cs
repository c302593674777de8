using System.CommandLine;
using System.Globalization;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>rerate</c>: a month rated again, each event with the price version stamped on it.</summary>
internal static class RerateMonth
{
    public static Command Command()
    {
        var month = new Option<string?>("--month") { Description = "The month, UTC, as 2026-11; this month without it" };
        var tenant = new Option<string?>("--tenant") { Description = "One tenant's id; all without it" };
        var command = new Command("rerate", "Rates a month again with the price version of each event, and prints every cost that would differ. Exit code 1 where one does.") { month, tenant };
        command.SetAction((parse, cancellationToken) => StoreCommand.RunAsync(async services =>
        {
            var text = parse.GetValue(month) ?? services.GetRequiredService<TimeProvider>().GetUtcNow().ToString("yyyy-MM", CultureInfo.InvariantCulture);
            if (!DateTime.TryParseExact(text, "yyyy-MM", CultureInfo.InvariantCulture, DateTimeStyles.None, out var first))
                return await StoreCommand.FailAsync($"--month is '{text}': it must be a year and a month, such as 2026-11");
            var report = await services.GetRequiredService<Rerate>().RunAsync(parse.GetValue(tenant), first.Year, first.Month, cancellationToken);
            foreach (var difference in report.Differences)
                await Console.Out.WriteLineAsync(difference.ToString());
            await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{report.Events} events of {text}, {report.DifferenceCount} differ"));
            return report.DifferenceCount == 0 ? 0 : 1;
        }));
        return command;
    }
}
