using System.Globalization;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Alerts;

/// <summary>Amounts, times and names as alerts and mails write them.</summary>
public static class AlertWords
{
    /// <summary><c>$1,204.50</c>; below a dollar up to four digits.</summary>
    public static string Usd(NanoUsd amount) => Usd(amount.Usd);

    public static string Usd(double amount) => Usd((decimal)amount);

    private static string Usd(decimal amount) => "$" + (amount is < 1 and not 0 ? amount.ToString("0.00##", CultureInfo.InvariantCulture) : amount.ToString("#,0.00", CultureInfo.InvariantCulture));

    /// <summary><c>1 December 2026, 00:00 (Europe/Berlin)</c></summary>
    public static string At(DateTimeOffset time, TimeZoneInfo zone) => $"{TimeZoneInfo.ConvertTime(time, zone).ToString("d MMMM yyyy, HH:mm", CultureInfo.InvariantCulture)} ({zone.Id})";

    /// <summary><c>04:10</c> where that is within a day, otherwise with its date.</summary>
    public static string Clock(DateTimeOffset time, DateTimeOffset now, TimeZoneInfo zone) =>
        TimeZoneInfo.ConvertTime(time, zone).ToString(time - now < TimeSpan.FromHours(20) ? "HH:mm" : "d MMMM, HH:mm", CultureInfo.InvariantCulture);

    /// <summary><c>key search-prod</c>, <c>customer acme</c>, <c>the whole organization</c>.</summary>
    public static string Of(AlertSubject subject, SpendNames names) => subject.Scope switch
    {
        "tenant" => "the whole organization",
        "tag" => $"{subject.Name} {subject.Value}",
        "provider" or "model" => subject.Value,
        _ => $"{subject.Scope} {names.Of(subject.Value)}",
    };

    /// <summary><c>model=gpt-5.1</c>, <c>tag=customer%3Dacme</c>: what the page of spend filters by.</summary>
    /// <param name="dimension">As in a <see cref="Domain.Ledger.Contribution"/>.</param>
    public static string ExploreFilter(string dimension, string value) => dimension is "model" or "provider" or "key" or "project" or "team" ? $"{dimension}={Uri.EscapeDataString(value)}" : $"tag={Uri.EscapeDataString($"{dimension}={value}")}";

    public static string Number(double value) => value.ToString(value < 10 ? "0.#" : "0", CultureInfo.InvariantCulture);
}
