using Tokonomics.Application.Keys;
using Tokonomics.Application.Providers;

namespace Tokonomics.Infrastructure.Providers;

/// <summary>The names that the product's own providers have taken.</summary>
internal sealed class BuiltInProviders(ProviderCatalogue catalogue) : IBuiltInProviders
{
    public bool Contains(string name) => catalogue.Find(name) is not null;
}
