using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Pricing;

/// <summary>Something in a price sheet that can't be believed.</summary>
/// <param name="File">The sheet.</param>
/// <param name="Path">Where in it: <c>$.models.gpt-5.input</c>.</param>
/// <param name="Message">What is wrong and what to write instead.</param>
public sealed record PriceSheetError(string File, string Path, string Message)
{
    public override string ToString() => $"{File}: {Path}: {Message}";
}

/// <summary>What came of reading price sheets: all that could be read, and everything that is wrong, at once.</summary>
/// <param name="Sheets">The sheets that are whole. Not fit for use while there are errors.</param>
public sealed record PriceReading(IReadOnlyList<PriceSheet> Sheets, IReadOnlyList<PriceSheetError> Errors)
{
    /// <summary>The book of the sheets.</summary>
    /// <exception cref="PriceSheetException">There are errors: no price is better than a wrong one.</exception>
    public PriceBook ToBook() => Errors.Count == 0 ? new PriceBook(Sheets) : throw new PriceSheetException(Errors);
}

/// <summary>Price sheets can't be used. The message has every error on a line of its own.</summary>
public sealed class PriceSheetException(IReadOnlyList<PriceSheetError> errors)
    : Exception($"{errors.Count} errors in price sheets:{Environment.NewLine}{string.Join(Environment.NewLine, errors)}")
{
    public IReadOnlyList<PriceSheetError> Errors { get; } = errors;
}
