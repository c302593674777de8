namespace Tokonomics.Domain.Routing;

/// <summary>
/// Keeps calls away from a model that fails. It opens after <see cref="Failures"/> failures in a row, or when half of at least <see cref="Least"/> calls of the last
/// <see cref="Window"/> failed; after <see cref="Pause"/> one call is let through to try, and what becomes of it decides. Safe for use by many threads.
/// </summary>
public sealed class CircuitBreaker
{
    public const int Failures = 5;
    public const int Least = 20;

    public static readonly TimeSpan Window = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    private readonly Lock _turn = new();
    private DateTimeOffset _windowFrom;
    private int _calls;
    private int _failed;
    private int _inARow;
    private DateTimeOffset? _openUntil;
    private bool _trying;

    /// <summary>Calls are kept away at that moment. Says the same until something is reported; <see cref="TryEnter"/> is what lets one through.</summary>
    public bool IsOpen(DateTimeOffset now)
    {
        lock (_turn)
            return _openUntil is { } until && now < until;
    }

    /// <summary>Whether a call may go. Of those that come when the pause is over, the first may; whoever is let through reports what became of it.</summary>
    public bool TryEnter(DateTimeOffset now)
    {
        lock (_turn)
        {
            if (_openUntil is not { } until)
                return true;
            if (now < until)
                return false;
            _trying = true;
            // A try that is never reported (its client left) must not keep the rest away for ever.
            _openUntil = now + Pause;
            return true;
        }
    }

    public void Report(bool failed, DateTimeOffset now)
    {
        lock (_turn)
        {
            if (now - _windowFrom > Window || now < _windowFrom)
                (_windowFrom, _calls, _failed) = (now, 0, 0);
            _calls++;
            if (!failed)
            {
                (_inARow, _openUntil, _trying) = (0, null, false);
                return;
            }

            _failed++;
            _inARow++;
            if (_trying || _inARow >= Failures || (_calls >= Least && _failed * 2 >= _calls))
                (_openUntil, _trying, _calls, _failed) = (now + Pause, false, 0, 0);
        }
    }

    /// <summary>A call that was let through told nothing of the provider: its client left, or it was never sent.</summary>
    public void Forget(DateTimeOffset now)
    {
        lock (_turn)
            if (_trying)
                (_trying, _openUntil) = (false, now);
    }
}
