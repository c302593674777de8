using System.Globalization;
using System.Text.RegularExpressions;
using Tokonomics.Testing;
using Tokonomics.Web.Portal.Pages.Spend;

namespace Tokonomics.Web.Portal.Tests;

/// <summary>The colours of charts: who has which, and that people can tell them apart.</summary>
public sealed partial class SeriesColoursTests
{
    // Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
    private static readonly Dictionary<string, double[]> Eyes = new()
    {
        ["all cones"] = [1, 0, 0, 0, 1, 0, 0, 0, 1],
        ["protanopia"] = [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
        ["deuteranopia"] = [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
        ["tritanopia"] = [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
    };

    private static IReadOnlyDictionary<string, string> Of(params (string Value, int Place)[] places) => SeriesColours.Of(places.ToDictionary(p => p.Value, p => p.Place));

    [Fact]
    public void A_value_has_the_colour_of_its_place_whatever_stands_beside_it()
    {
        Of(("b", 1), ("a", 0))["b"].ShouldBe("series-1");
        Of(("b", 1), ("c", 9), ("d", 12))["b"].ShouldBe("series-1");
        Of(("d", 12))["d"].ShouldBe("series-2");
    }

    [Fact]
    public void Of_two_that_would_share_a_colour_the_later_takes_the_next_free_one()
    {
        Of(("late", 13), ("early", 3), ("next", 4)).ShouldBe(new Dictionary<string, string> { ["early"] = "series-3", ["next"] = "series-4", ["late"] = "series-5" }, ignoreOrder: true);
        Of(("late", 19), ("early", 9))["late"].ShouldBe("series-0");
        Of([.. Enumerable.Range(0, SeriesColours.Count).Select(i => ($"v{i}", i * SeriesColours.Count))]).Values.Distinct().Count().ShouldBe(SeriesColours.Count);
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public void Every_two_colours_differ_for_every_eye_and_all_stand_out_from_the_sheet(string theme)
    {
        var sheet = Linear(Colours("portal.css", theme)["sheet"]);
        var colours = Colours("spend.css", theme).Where(c => c.Key.StartsWith("series-", StringComparison.Ordinal)).ToDictionary(c => c.Key, c => Linear(c.Value));
        colours.Count.ShouldBe(SeriesColours.Count + 1);
        foreach (var (name, colour) in colours)
            Contrast(colour, sheet).ShouldBeGreaterThanOrEqualTo(3, name); // WCAG 2.2, 1.4.11: graphics
        foreach (var (eye, matrix) in Eyes)
            foreach (var (a, b) in colours.Keys.SelectMany(a => colours.Keys.Where(b => string.CompareOrdinal(a, b) < 0).Select(b => (a, b))))
                Distance(Seen(colours[a], matrix), Seen(colours[b], matrix)).ShouldBeGreaterThan(0.05, $"{a} and {b}, {eye}"); // 0.02 is what one just sees
    }

    // The custom properties of a theme.
    private static Dictionary<string, string> Colours(string file, string theme) => ThemeBlock().Matches(File.ReadAllText(Path.Combine(TestFolder.Root, "src", "Web.Portal", "wwwroot", "css", file)))
        .Where(block => block.Groups[1].Value.Contains($"\"{theme}\"", StringComparison.Ordinal))
        .SelectMany(block => Property().Matches(block.Groups[2].Value)).GroupBy(p => p.Groups[1].Value).ToDictionary(p => p.Key, p => p.Last().Groups[2].Value);

    private static double[] Linear(string hex) => [.. Enumerable.Range(0, 3).Select(i => int.Parse(hex.AsSpan(1 + (2 * i), 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture) / 255.0).Select(c => c <= 0.04045 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4))];

    private static double Luminance(double[] c) => (0.2126 * c[0]) + (0.7152 * c[1]) + (0.0722 * c[2]);

    private static double Contrast(double[] a, double[] b) => (Math.Max(Luminance(a), Luminance(b)) + 0.05) / (Math.Min(Luminance(a), Luminance(b)) + 0.05);

    private static double[] Seen(double[] c, double[] m) => [.. Enumerable.Range(0, 3).Select(i => Math.Clamp((m[3 * i] * c[0]) + (m[(3 * i) + 1] * c[1]) + (m[(3 * i) + 2] * c[2]), 0, 1))];

    // In OKLab (Ottosson 2020), in which equal distances look about equal.
    private static double Distance(double[] a, double[] b) => Math.Sqrt(Lab(a).Zip(Lab(b), (x, y) => (x - y) * (x - y)).Sum());

    private static double[] Lab(double[] c)
    {
        var l = Math.Cbrt((0.4122214708 * c[0]) + (0.5363325363 * c[1]) + (0.0514459929 * c[2]));
        var m = Math.Cbrt((0.2119034982 * c[0]) + (0.6806995451 * c[1]) + (0.1073969566 * c[2]));
        var s = Math.Cbrt((0.0883024619 * c[0]) + (0.2817188376 * c[1]) + (0.6299787005 * c[2]));
        return [(0.2104542553 * l) + (0.7936177850 * m) - (0.0040720468 * s), (1.9779984951 * l) - (2.4285922050 * m) + (0.4505937099 * s), (0.0259040371 * l) + (0.7827717662 * m) - (0.8086757660 * s)];
    }

    [GeneratedRegex("([^{}]*\\[data-bs-theme[^{}]*)\\{([^}]*)\\}")]
    private static partial Regex ThemeBlock();

    [GeneratedRegex("--([a-z0-9-]+): *(#[0-9a-f]{6})")]
    private static partial Regex Property();
}
