using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal;

/// <summary>
/// Tables as files (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe before it: tags and names come from outside, and a file
/// that is opened must not run them. Numbers are written plainly, so that they can be added up.
/// </summary>
public sealed class Csv
{
    private readonly StringBuilder _text = new();
    private bool _begun;

    public Csv Row(params ReadOnlySpan<object?> cells)
    {
        foreach (var cell in cells)
            Cell(cell);
        return End();
    }

    public Csv Cell(object? cell)
    {
        if (_begun)
            _text.Append(',');
        _begun = true;
        _text.Append(cell switch
        {
            null => "",
            NanoUsd money => money.ToString(),
            string text => Quoted(Guarded(text)),
            DateTimeOffset at => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFZ", CultureInfo.InvariantCulture),
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => Quoted(Guarded(cell.ToString() ?? "")),
        });
        return this;
    }

    public Csv End()
    {
        _text.Append("\r\n");
        _begun = false;
        return this;
    }

    public override string ToString() => _text.ToString();

    /// <summary>The file, to be saved under that name.</summary>
    public FileContentResult File(string name) => new(Encoding.UTF8.GetBytes(_text.ToString()), "text/csv; charset=utf-8") { FileDownloadName = name };

    private static string Guarded(string text) => text.Length > 0 && text[0] is '=' or '+' or '-' or '@' or '\t' or '\r' ? "'" + text : text;

    private static string Quoted(string text) => text.AsSpan().IndexOfAny("\",\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
