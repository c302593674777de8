using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class CircuitBreakerTests
{
    private readonly CircuitBreaker _breaker = new();
    private DateTimeOffset _now = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);

    private void Report(int times, bool failed)
    {
        for (var i = 0; i < times; i++)
            _breaker.Report(failed, _now);
    }

    [Fact]
    public void It_opens_after_failures_in_a_row_and_lets_one_try_when_the_pause_is_over()
    {
        Report(CircuitBreaker.Failures - 1, failed: true);
        _breaker.IsOpen(_now).ShouldBeFalse();
        Report(1, failed: true);
        _breaker.IsOpen(_now).ShouldBeTrue();
        _breaker.TryEnter(_now).ShouldBeFalse();

        _now += CircuitBreaker.Pause;
        _breaker.IsOpen(_now).ShouldBeFalse();
        _breaker.TryEnter(_now).ShouldBeTrue();
        _breaker.IsOpen(_now).ShouldBeTrue(); // for everybody else
        _breaker.TryEnter(_now).ShouldBeFalse();
        Report(1, failed: false);
        _breaker.IsOpen(_now).ShouldBeFalse();
    }

    [Fact]
    public void A_try_that_fails_opens_it_again()
    {
        Report(CircuitBreaker.Failures, failed: true);
        _now += CircuitBreaker.Pause;
        _breaker.TryEnter(_now).ShouldBeTrue();
        Report(1, failed: true);
        _breaker.IsOpen(_now + CircuitBreaker.Pause / 2).ShouldBeTrue();
        _breaker.TryEnter(_now + CircuitBreaker.Pause).ShouldBeTrue();
    }

    [Fact]
    public void A_try_that_nobody_reports_keeps_nobody_away_for_ever()
    {
        Report(CircuitBreaker.Failures, failed: true);
        _now += CircuitBreaker.Pause;
        _breaker.TryEnter(_now).ShouldBeTrue();
        _breaker.TryEnter(_now + CircuitBreaker.Pause).ShouldBeTrue();
        _breaker.Forget(_now + CircuitBreaker.Pause);
        _breaker.TryEnter(_now + CircuitBreaker.Pause).ShouldBeTrue();
    }

    [Fact]
    public void Half_of_many_calls_opens_it_though_none_fail_in_a_row()
    {
        for (var i = 0; i < CircuitBreaker.Least / 2; i++)
        {
            _breaker.IsOpen(_now).ShouldBeFalse();
            Report(1, failed: false);
            Report(1, failed: true);
        }

        _breaker.IsOpen(_now).ShouldBeTrue();
    }

    [Fact]
    public void What_is_longer_ago_than_the_window_does_not_count()
    {
        for (var i = 0; i < CircuitBreaker.Least; i++)
        {
            Report(1, failed: i % 2 == 1);
            _now += CircuitBreaker.Window / 4;
        }

        _breaker.IsOpen(_now).ShouldBeFalse();
    }
}
