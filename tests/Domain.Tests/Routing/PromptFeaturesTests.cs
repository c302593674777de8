using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class PromptFeaturesTests
{
    private static double[] Read(string prompt)
    {
        var features = new double[PromptFeatures.Count];
        PromptFeatures.Read(prompt, features);
        return features;
    }

    [Theory]
    [InlineData("")]
    [InlineData("?")]
    [InlineData("   \n\n\t")]
    [InlineData("Solve x^2 = 4.\nA. 2\nB. -2\nC. both")]
    [InlineData("def f(x):\n    return [i for i in range(x)]")]
    [InlineData("Wie viele Äpfel hat Jürgen? 日本語の文章です。 Сколько стоит?")]
    [InlineData("\ud800 half a pair")]
    public void Every_prompt_has_finite_numbers_of_about_the_same_size(string prompt)
    {
        Read(prompt).ShouldAllBe(f => double.IsFinite(f) && f >= 0 && f <= 20);
        Read(prompt).ShouldBe(Read(prompt));
    }

    [Fact]
    public void What_differs_in_kind_differs_in_numbers()
    {
        var maths = Read("Let p be a prime. Prove that the sum of the digits of p^2 is divisible by 3.");
        var talk = Read("Please write me a short letter to my sister, whom I would like to visit.");
        maths.Zip(talk).Count(pair => Math.Abs(pair.First - pair.Second) > 0.1).ShouldBeGreaterThan(10);
        // A cue word counts whatever its case and its plural, and no other word is taken for one.
        Read("Triangles").ShouldBe(Read("TRIANGLES").Select((f, i) => i == 18 ? Read("Triangles")[18] : f));
        Read("xyzzy plugh")[23].ShouldBe(0);
        Read("equation")[23].ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Of_a_long_prompt_the_beginning_and_the_end_are_read_and_its_length_is_known()
    {
        var half = PromptFeatures.MostCharacters / 2;
        var (begin, end) = (new string('a', half), string.Concat(Enumerable.Repeat("1 ", half / 2)));
        var one = Read(begin + new string('x', 100_000) + end);
        var other = Read(begin + string.Concat(Enumerable.Repeat("= + equation ", 100_000 / 13 + 1))[..100_000] + end);
        other.ShouldBe(one);
        Read(begin + new string('x', 50_000) + end)[0].ShouldBeLessThan(one[0]);
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        var prompt = string.Concat(Enumerable.Repeat("How many apples has she, if each of 12 boxes holds 3.5 kg? A. none\n", 100));
        var features = new double[PromptFeatures.Count];
        PromptFeatures.Read(prompt, features);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            PromptFeatures.Read(prompt, features);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }
}
