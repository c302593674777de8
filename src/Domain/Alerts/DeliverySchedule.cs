namespace Tokonomics.Domain.Alerts;

/// <summary>When a message that did not arrive is tried again: nine times over a day.</summary>
public static class DeliverySchedule
{
    private static readonly TimeSpan[] Waits =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(1), TimeSpan.FromHours(3), TimeSpan.FromHours(5), TimeSpan.FromHours(6), TimeSpan.FromHours(8),
    ];

    private static readonly TimeSpan LongestAsked = TimeSpan.FromHours(6);

    /// <summary>How often it is tried in all.</summary>
    public static int Attempts => Waits.Length + 1;

    /// <param name="attempts">How often it was tried, the last time included; 1 or more.</param>
    /// <param name="asked">What the receiver asked for (<c>Retry-After</c>); six hours of it at most. Never sooner than the schedule says.</param>
    /// <param name="share">0 to 1, by chance: up to a tenth of the wait is added, so that what failed together doesn't come again together.</param>
    /// <returns>How long to wait; null where it is not tried again.</returns>
    public static TimeSpan? After(int attempts, TimeSpan? asked, double share)
    {
        if (attempts < 1 || attempts > Waits.Length)
            return null;
        var wait = Waits[attempts - 1];
        if (asked is { } least && least > wait)
            wait = least < LongestAsked ? least : LongestAsked;
        return wait * (1 + (share / 10));
    }
}
