using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Metering;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Infrastructure.Tests.Pricing;

public sealed class PriceSheetReaderTests
{
    [Fact]
    public void A_broken_sheet_yields_all_its_errors_with_path_and_remedy()
    {
        var reading = PriceSheetReader.Read([("broken.json", """
            {
              // no provider
              "source": ["example.com"],
              "checked": "21.11.2026",
              "colour": "blue",
              "fees": { "web_serch": "10" },
              "fallback": "openai",
              "when": { "flex": { "times": "0.5" }, "service_tier=batch": {} },
              "models": {
                "a": { "input": 2.5 },
                "b": { "input": "-1", "output": "1e3" },
                "c": { },
                "d": { "free": true, "input": "1" },
                "e": { "input": "1", "above": { "200k": { "input": "2" } } },
                "f": { "input": "1", "then": [ { "input": "2" }, { "from": "tomorrow", "input": "3" }, { "utc": "25:00-26:00", "days": "sundays", "input": "3" } ] },
                "g": { "input": "1", "also": ["a"], "kind": "poem", "max_output": "many" },
                "h": { "input": "1", "input": "2", "inputs": "3" },
                "i": 5,
              }
            }
            """)]);
        reading.Sheets.ShouldBeEmpty();
        reading.Errors.ShouldAllBe(error => error.File == "broken.json" && error.Message.Length > 10);
        var paths = reading.Errors.Select(error => error.Path).ToList();
        foreach (var path in new[]
        {
            "$.provider", "$.source", "$.checked", "$.colour", "$.fees.web_serch", "$.fallback", "$.when.flex", "$.when.service_tier=batch",
            "$.models.a.input", "$.models.b.input", "$.models.b.output", "$.models.c", "$.models.d", "$.models.e.above.200k", "$.models.f.then[0]",
            "$.models.f.then[1].from", "$.models.f.then[2].utc", "$.models.f.then[2].days", "$.models.g", "$.models.g.kind", "$.models.g.max_output",
            "$.models.h.input", "$.models.h.inputs", "$.models.i",
        })
            paths.ShouldContain(path);
        reading.Errors.Single(error => error.Path == "$.models.a.input").ToString()
            .ShouldBe("broken.json: $.models.a.input: must be a string, so that no reader rounds it: \"2.5\"");
        Should.Throw<PriceSheetException>(reading.ToBook).Errors.Count.ShouldBe(reading.Errors.Count);
    }

    [Fact]
    public void Errors_of_several_files_come_together()
    {
        var reading = PriceSheetReader.Read([("one.json", "{"), ("two.json", Sheet("b", """ "m": { "input": "x" } """)), ("three.json", Sheet("c", """ "m": { "input": "1" } """)), ("four.json", Sheet("C", """ "m": { "input": "1" } """))]);
        reading.Errors.Select(error => error.File).ShouldBe(["one.json", "two.json", "four.json"]);
        reading.Errors[2].Message.ShouldContain("has a sheet already");
    }

    [Fact]
    public void A_sheet_of_a_folder_takes_the_place_of_ours()
    {
        var folder = Directory.CreateTempSubdirectory("prices");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "mine.json"), Sheet("cerebras", """ "only": { "input": "1" }, """));
            File.WriteAllText(Path.Combine(folder.FullName, "new.json"), Sheet("my-own", """ "m": { "input": "1" } """, """ "fallback": ["openai"], """));
            var book = PriceSheetReader.ReadAll(folder.FullName).ToBook();
            book.Models("cerebras").Select(model => model.Name).ShouldBe(["only"]);
            book.Find("my-own", "gpt-5.4", DateTimeOffset.UnixEpoch)!.Rates[UsageUnit.Input].ShouldBe(2.5m);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        PriceSheetReader.ReadAll(folder.FullName).Errors.ShouldHaveSingleItem().Message.ShouldContain("does not exist");
    }

    [Fact]
    public void A_fallback_without_a_sheet_is_an_error() =>
        PriceSheetReader.Read([("a.json", Sheet("a", """ "m": { "input": "1" } """, """ "fallback": ["nobody"], """))]).Errors.ShouldHaveSingleItem().Path.ShouldBe("$.fallback");

    [Fact]
    public void The_check_prints_age_counts_and_doubts()
    {
        var reading = PriceSheetReader.Read([("a.json", Sheet("acme", """
            "good": { "input": "1", "cache_read": "0.1", "output": "4" },
            "dear-cache": { "input": "1", "cache_read": "2", "output": "4" },
            "swapped": { "input": "400", "output": "1" },
            "gift": { "input": "0", "output": "0" },
            "cliff": { "input": "2", "output": "4", "above": { "1000": { "input": "1" } }, "when": { "service_tier=flex": { "input": "1" } } },
            "free": { "free": true }
            """))]);
        var result = PriceSheetCheck.Run(reading, new DateOnly(2027, 3, 1));
        result.Ok.ShouldBeTrue();
        result.Lines.ShouldBe(
        [
            "acme                6 models   checked 2026-11-21, 100 days ago",
            "warning: acme: not checked for 100 days; compare it with its sources and set \"checked\"",
            "warning: acme: dear-cache: cache_read 2 is dearer than input 1",
            "warning: acme: swapped: output 1 is a hundredth of input 400 or less",
            "warning: acme: gift: tokens cost nothing, but it is not marked \"free\"",
            "warning: acme: cliff: input above 1000 tokens is cheaper than below",
            "warning: acme: cliff: service_tier=flex states rates but none for a long context",
            "1 sheets, 6 models, oldest check 2026-11-21",
            "0 errors, 6 warnings",
        ]);
    }

    [Fact]
    public void The_check_fails_on_errors()
    {
        var result = PriceSheetCheck.Run(PriceSheetReader.Read([("a.json", Sheet("acme", """ "m": { "input": "x" } """))]), new DateOnly(2026, 11, 21));
        result.Ok.ShouldBeFalse();
        result.Lines[0].ShouldStartWith("error: a.json: $.models.m.input: ");
        result.Lines[^1].ShouldBe("1 errors, 0 warnings");
    }

    [Fact]
    public void Our_own_sheets_pass_the_check()
    {
        var result = PriceSheetCheck.Run(PriceSheetReader.ReadAll(), new DateOnly(2026, 11, 21));
        result.Ok.ShouldBeTrue(string.Join(Environment.NewLine, result.Lines));
        result.Lines.Where(line => line.StartsWith("warning: ", StringComparison.Ordinal) && !line.Contains("not checked for", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    private static string Sheet(string provider, string models, string more = "") =>
        $$"""{ "provider": "{{provider}}", "source": ["https://example.com/prices"], "checked": "2026-11-21", {{more}} "models": { {{models}} } }""";
}
