using Tokonomics.Domain.RateLimits;

namespace Tokonomics.Tests.RateLimits;

public sealed class SlidingWindowTests
{
    [Fact]
    public void A_use_counts_for_sixty_seconds_after_its_own()
    {
        var window = new SlidingWindow();
        window.Add(100, 5);
        window.Used(100).ShouldBe(5);
        window.Used(160).ShouldBe(5);
        window.SecondsUntilEmpty().ShouldBe(1);
        window.Used(161).ShouldBe(0);
        window.SecondsUntilEmpty().ShouldBe(0);
    }

    [Fact]
    public void What_is_taken_back_comes_off_its_own_second_and_no_other()
    {
        var window = new SlidingWindow();
        window.Add(10, 100);
        window.Add(40, 30);
        window.TakeBack(10, 80);
        window.Used(40).ShouldBe(50); // 20 + 30
        window.TakeBack(10, 80); // more than is there
        window.Used(40).ShouldBe(30);
        window.Used(80).ShouldBe(30); // second 10 has left
        window.TakeBack(10, 5);
        window.TakeBack(99, 5);
        window.Used(80).ShouldBe(30);
    }

    [Fact]
    public void It_tells_in_how_many_seconds_so_much_is_free()
    {
        var window = new SlidingWindow();
        window.Add(10, 3);
        window.Add(20, 4);
        window.SecondsUntilFree(0).ShouldBe(0);
        window.SecondsUntilFree(3).ShouldBe(51); // second 10 leaves at 71, it is 20
        window.SecondsUntilFree(4).ShouldBe(61); // second 20 leaves at 81
        window.SecondsUntilEmpty().ShouldBe(61);
    }

    [Fact]
    public void A_clock_that_goes_back_frees_nothing()
    {
        var window = new SlidingWindow();
        window.Add(1000, 5);
        window.Add(900, 1);
        window.Used(900).ShouldBe(6);
        window.Used(1060).ShouldBe(6);
        window.Used(1061).ShouldBe(0);
    }

    [Fact]
    public void It_always_has_the_sum_of_its_last_sixty_one_seconds()
    {
        for (var seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            var window = new SlidingWindow();
            var used = new Dictionary<long, long>();
            var second = random.NextInt64(100);
            for (var step = 0; step < 100; step++)
            {
                second += random.Next(5) switch { 0 => random.Next(200), 1 => random.Next(20), _ => random.Next(2) };
                if (random.Next(3) > 0)
                {
                    var amount = random.Next(10);
                    window.Add(second, amount);
                    used[second] = used.GetValueOrDefault(second) + amount;
                }
                else
                {
                    window.Used(second);
                    var of = second - random.Next(70);
                    var back = random.Next(10);
                    window.TakeBack(of, back);
                    if (second - of <= 60)
                        used[of] = Math.Max(0, used.GetValueOrDefault(of) - back);
                }

                window.Used(second).ShouldBe(used.Where(u => u.Key >= second - 60).Sum(u => u.Value), $"seed {seed}, step {step}");
            }
        }
    }
}
