namespace Tokonomics.Domain.Pricing;

public sealed class PriceBook
{
}
