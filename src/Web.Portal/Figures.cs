using System.Globalization;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Html;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal;

/// <summary>A figure as people read it, and exactly. In a page it is written with what is exact on hover: <c>@Figures.Money(cost)</c>; in a sentence take <see cref="Text"/>.</summary>
/// <param name="Exact">All digits, or why there is none.</param>
public readonly record struct Figure(string Text, string Exact) : IHtmlContent
{
    public void WriteTo(TextWriter writer, HtmlEncoder encoder)
    {
        writer.Write(Exact == Text ? "<span class=\"figure\">" : $"<span class=\"figure\" title=\"{encoder.Encode(Exact)}\">");
        encoder.Encode(writer, Text);
        writer.Write("</span>");
    }

    public override string ToString() => Text;
}

/// <summary>How one figure stands to the one before it: sign, word and class say the same, so that nobody needs the colour.</summary>
/// <param name="Word"><c>more</c>, <c>less</c>, <c>unchanged</c>, <c>new</c>.</param>
public readonly record struct Delta(Figure Amount, Figure Percent, string Word) : IHtmlContent
{
    public string Class => Word switch { "more" or "new" => "delta-up", "less" => "delta-down", _ => "delta-none" };

    public void WriteTo(TextWriter writer, HtmlEncoder encoder)
    {
        writer.Write($"<span class=\"delta {Class}\">");
        encoder.Encode(writer, ToString());
        writer.Write("</span>");
    }

    /// <summary>For a narrow column: <c>+18 %, more</c>, the amount on hover.</summary>
    public Figure Brief => Word switch
    {
        "unchanged" => new Figure("unchanged", "unchanged"),
        "new" => new Figure("new", Amount.Exact),
        _ => new Figure($"{Percent.Text}, {Word}", $"{Amount.Exact} ({Percent.Exact})"),
    };

    /// <summary><c>+$12.30 (+18 %), more</c>.</summary>
    public override string ToString() => Word switch
    {
        "unchanged" => "unchanged",
        "new" => $"{Amount.Text}, new",
        _ => $"{Amount.Text} ({Percent.Text}), {Word}",
    };
}

/// <summary>
/// The one place that decides how numbers are written: dollars to the cent above $1 and to four significant digits below, tokens as 1.2 M, zero as $0,
/// what is unknown as – with the reason. A space within a figure doesn't break.
/// </summary>
public static class Figures
{
    private const char Space = '\u00a0';
    private const char Minus = '\u2212';
    private const string Dash = "–";

    /// <summary>What isn't known, and why: <c>–</c> with the reason on hover.</summary>
    public static Figure Unknown(string reason) => new(Dash, reason);

    public static Figure Money(NanoUsd? amount, string whyUnknown = "the price is not known") =>
        amount is { } known ? new Figure(Dollars(known, PlacesOf(known)), ExactDollars(known)) : Unknown(whyUnknown);

    /// <summary>For a column: all of it in the precision that its largest amount takes. What is less than that shows is written <c>&lt;$0.01</c>, never as zero.</summary>
    public static Func<NanoUsd?, Figure> MoneyColumn(IEnumerable<NanoUsd?> column)
    {
        var largest = column.Where(c => c is not null).Select(c => Math.Abs((decimal)c!.Value.Value)).DefaultIfEmpty(0).Max();
        var places = PlacesOf(new NanoUsd((long)Math.Min(largest, long.MaxValue)));
        return amount => amount is { } known ? new Figure(Dollars(known, places), ExactDollars(known)) : Unknown("the price is not known");
    }

    /// <summary>All nine places where they are used: <c>$0.000125</c>.</summary>
    public static string ExactDollars(NanoUsd amount) =>
        $"{(amount.Value < 0 ? Minus : "")}${Math.Abs(amount.Usd).ToString("#,0.#########", CultureInfo.InvariantCulture)}";

    /// <summary><c>1.2 M</c>, the count itself on hover.</summary>
    public static Figure Tokens(long count) => new(Short(count), Whole(count));

    /// <summary>A count in full: <c>12,345</c>.</summary>
    public static Figure Count(long count) => new(Whole(count), Whole(count));

    /// <param name="share">1 is all of it.</param>
    public static Figure Percent(decimal share)
    {
        var percent = share * 100;
        var size = Math.Abs(percent);
        var text = size switch
        {
            0 => "0",
            < 0.1m => "<0.1",
            < 0.95m => size.ToString("0.0", CultureInfo.InvariantCulture),
            _ => decimal.Round(size, 0, MidpointRounding.AwayFromZero).ToString("#,0", CultureInfo.InvariantCulture),
        };
        return new Figure($"{(percent < 0 ? Minus : "")}{text}{Space}%", $"{percent.ToString("0.####", CultureInfo.InvariantCulture)}{Space}%");
    }

    /// <summary>For a column: one place throughout.</summary>
    public static Figure PercentInColumn(decimal share)
    {
        var size = Math.Abs(share * 100);
        var text = size == 0 ? "0" : size < 0.05m ? "<0.1" : size.ToString("#,0.0", CultureInfo.InvariantCulture);
        return Percent(share) with { Text = $"{(share < 0 ? Minus : "")}{text}{Space}%" };
    }

    public static Figure Percent(NanoUsd part, NanoUsd whole, string whyUnknown = "there is nothing to compare with") =>
        whole.Value == 0 ? Unknown(whyUnknown) : Percent((decimal)part.Value / whole.Value);

    /// <summary><c>740 ms</c>, <c>1.2 s</c>, <c>2 min 5 s</c>.</summary>
    public static Figure Time(TimeSpan? time, string whyUnknown = "there were no calls")
    {
        if (time is not { } t)
            return Unknown(whyUnknown);
        var exact = $"{t.TotalMilliseconds.ToString("#,0.###", CultureInfo.InvariantCulture)}{Space}ms";
        var text = t.TotalMilliseconds < 1 && t > TimeSpan.Zero ? $"<1{Space}ms"
            : t.TotalMilliseconds < 999.5 ? $"{t.TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture)}{Space}ms"
            : t.TotalSeconds < 9.95 ? $"{t.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)}{Space}s"
            : t.TotalSeconds < 59.5 ? $"{t.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)}{Space}s"
            : Minutes(t);
        return new Figure(text, exact);
    }

    /// <summary>What changed from one period to the next.</summary>
    /// <param name="money">How the column that it stands in writes amounts; null where it stands alone.</param>
    public static Delta Change(NanoUsd before, NanoUsd now, Func<NanoUsd?, Figure>? money = null)
    {
        var change = now - before;
        if (change == NanoUsd.Zero)
            return new Delta(Money(NanoUsd.Zero), Percent(0m), "unchanged");
        var amount = new Figure(Signed((money?.Invoke(change) ?? Money(change)).Text), Signed(ExactDollars(change)));
        if (before == NanoUsd.Zero)
            return new Delta(amount, Unknown("there was nothing before"), "new");
        var percent = Percent((decimal)change.Value / Math.Abs((decimal)before.Value));
        return new Delta(amount, percent with { Text = Signed(percent.Text) }, change.Value > 0 ? "more" : "less");
    }

    /// <summary>A change of a count.</summary>
    public static Delta Change(long before, long now)
    {
        if (before == now)
            return new Delta(Count(0), Percent(0m), "unchanged");
        var amount = new Figure(Signed(Short(now - before)), Signed(Whole(now - before)));
        if (before == 0)
            return new Delta(amount, Unknown("there was nothing before"), "new");
        var percent = Percent((decimal)(now - before) / before);
        return new Delta(amount, percent with { Text = Signed(percent.Text) }, now > before ? "more" : "less");
    }

    /// <summary>A day as <c>30 Nov</c>, with the year where it isn't this one.</summary>
    public static string Day(DateTimeOffset at, TimeZoneInfo zone, DateTimeOffset now)
    {
        var day = TimeZoneInfo.ConvertTime(at, zone);
        return day.ToString(day.Year == TimeZoneInfo.ConvertTime(now, zone).Year ? "d MMM" : "d MMM yyyy", CultureInfo.InvariantCulture);
    }

    /// <summary>A moment as <c>30 Nov 2026 14:05:09</c> in a zone.</summary>
    public static string Moment(DateTimeOffset at, TimeZoneInfo zone) => TimeZoneInfo.ConvertTime(at, zone).ToString("d MMM yyyy HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary>The same in the page, in the tenant's zone until the script has put it into the reader's.</summary>
    public static IHtmlContent MomentTag(DateTimeOffset at, TimeZoneInfo zone) =>
        new HtmlString($"<time datetime=\"{at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)}\">{Moment(at, zone)}</time>");

    // Cents from a dollar on; below, as many places as four significant digits take, nine at most. Zero has none.
    private static int PlacesOf(NanoUsd amount)
    {
        var size = Math.Abs(amount.Usd);
        if (size == 0 || size >= 1)
            return 2;
        var places = 4;
        for (var scaled = size; scaled < 0.1m && places < 9; scaled *= 10)
            places++;
        return places;
    }

    private static string Dollars(NanoUsd amount, int places)
    {
        if (amount.Value == 0)
            return "$0";
        var size = decimal.Round(Math.Abs(amount.Usd), places, MidpointRounding.ToEven);
        var least = 1m;
        for (var i = 0; i < places; i++)
            least /= 10;
        var sign = amount.Value < 0 ? Minus.ToString() : "";
        return size == 0
            ? $"{sign}<${least.ToString("0.#########", CultureInfo.InvariantCulture)}"
            : $"{sign}${size.ToString("#,0." + new string('0', places), CultureInfo.InvariantCulture)}";
    }

    private static string Short(long count)
    {
        var size = Math.Abs((decimal)count);
        if (size < 1000)
            return Whole(count);
        var unit = 0;
        // 999,950 would be 1,000.0 k.
        while (size >= 999.95m && unit < 5)
            (size, unit) = (size / 1000, unit + 1);
        return $"{(count < 0 ? Minus : "")}{size.ToString(size < 99.95m ? "0.0" : "0", CultureInfo.InvariantCulture)}{Space}{" kMGTP"[unit]}".Replace("G", "B", StringComparison.Ordinal);
    }

    private static string Whole(long count) => $"{(count < 0 ? Minus : "")}{Math.Abs((decimal)count).ToString("#,0", CultureInfo.InvariantCulture)}";

    private static string Signed(string text) => text[0] == Minus ? text : "+" + text;

    private static string Minutes(TimeSpan t)
    {
        var seconds = (long)Math.Round(t.TotalSeconds);
        return seconds < 3600 ? $"{seconds / 60}{Space}min{(seconds % 60 == 0 ? "" : $" {seconds % 60}{Space}s")}" : $"{seconds / 3600}{Space}h {seconds % 3600 / 60}{Space}min";
    }
}
