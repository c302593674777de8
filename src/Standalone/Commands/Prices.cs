using System.CommandLine;
using Tokonomics.Application.Pricing;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>prices check</c>: the price sheets, their age, and what looks mistyped.</summary>
internal static class Prices
{
    public static Command Command()
    {
        var folder = new Option<string?>("--folder") { Description = "A folder of further sheets to check with the built-in ones" };
        var check = new Command("check", "Reads all price sheets and prints errors, ages and doubts. Exit code 1 where there is an error.") { folder };
        check.SetAction(parse =>
        {
            var result = PriceSheetCheck.Run(PriceSheetReader.ReadAll(parse.GetValue(folder)), DateOnly.FromDateTime(TimeProvider.System.GetUtcNow().UtcDateTime));
            foreach (var line in result.Lines)
                Console.Out.WriteLine(line);
            return result.Ok ? 0 : 1;
        });
        return new Command("prices", "The price sheets.") { check };
    }
}
