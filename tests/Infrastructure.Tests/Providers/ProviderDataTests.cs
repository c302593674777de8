using Microsoft.Extensions.Configuration;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Providers;
using Tokonomics.Infrastructure.Providers;

namespace Tokonomics.Infrastructure.Tests.Providers;

public sealed class ProviderDataTests
{
    [Fact]
    public void Every_route_names_a_dialect_that_exists()
    {
        foreach (var provider in Load().Providers.Values)
            foreach (var route in provider.Routes.Surfaces.SelectMany(s => s.Surface.Routes))
                (route.Kind != RouteKind.Metered || DialectCatalogue.Find(route.Dialect) is not null).ShouldBeTrue($"{provider.Name}: {route.Template} is read by '{route.Dialect}'");
    }

    [Fact]
    public void No_route_stands_twice_in_a_surface()
    {
        foreach (var surface in Load().Surfaces.Values)
            surface.Routes.Select(r => r.Template).ShouldBeUnique();
    }

    [Fact]
    public void Every_provider_but_azure_has_an_address_and_only_local_ones_lack_tls()
    {
        foreach (var provider in Load().Providers.Values)
        {
            if (provider.BaseUrl is null)
                provider.BaseUrlHelp.ShouldNotBeNullOrEmpty(provider.Name);
            else if (!provider.BaseUrl.IsLoopback)
                provider.BaseUrl.Scheme.ShouldBe("https", provider.Name);
            provider.Guarded.ShouldBeFalse();
        }
    }

    [Theory]
    [InlineData("https://gateway.example", "https://gateway.example/")]
    [InlineData("https://gateway.example/v1", "https://gateway.example/")]
    [InlineData("https://gateway.example/v1/", "https://gateway.example/")]
    [InlineData("https://gateway.example/team/v1", "https://gateway.example/team")]
    [InlineData("https://gateway.example/team/", "https://gateway.example/team/")]
    [InlineData("http://127.0.0.1:9000", "http://127.0.0.1:9000/")]
    public void A_base_url_may_end_in_the_version_as_sdks_write_it(string setting, string expected) =>
        Load(("Providers:openai:BaseUrl", setting)).Find("openai")!.BaseUrl!.ToString().ShouldBe(expected);

    [Fact]
    public void A_name_with_a_hyphen_may_be_set_with_an_underscore() =>
        Load(("Providers:azure_openai:BaseUrl", "https://mine.openai.azure.com")).Find("azure-openai")!.BaseUrl!.Host.ShouldBe("mine.openai.azure.com");

    [Fact]
    public void All_faults_of_the_settings_are_told_at_once_with_name_and_value()
    {
        var failure = Should.Throw<InvalidOperationException>(() => Load(
            ("Providers:opennai:BaseUrl", "https://x.example"), ("Providers:openai:BaseUrl", "ftp://x.example"), ("Providers:groq:BaseUrl", "https://user:pw@x.example"), ("Providers:xai:BaseUrl", "https://x.example/?a=b"),
            ("Providers:mistral:StreamUsage", "sometimes"), ("Providers:cohere:FirstByteTimeout", "soon"), ("Providers:voyage:IdleTimeout", "00:00:00"), ("Providers:zai:IdleTimeout", "2.00:00:00")));

        foreach (var fault in (string[])["Providers:opennai", "Providers:openai:BaseUrl is 'ftp://x.example'", "Providers:groq:BaseUrl", "Providers:xai:BaseUrl", "Providers:mistral:StreamUsage is 'sometimes'", "Providers:cohere:FirstByteTimeout is 'soon'",
            "Providers:voyage:IdleTimeout", "Providers:zai:IdleTimeout"])
            failure.Message.ShouldContain(fault);
        failure.Message.Split(Environment.NewLine).Length.ShouldBe(8);
        failure.Message.ShouldNotContain("pw@", Case.Sensitive, "a password in a URL is a secret");
    }

    private static ProviderCatalogue Load(params (string Name, string Value)[] settings) =>
        ProviderData.Load(new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(s => s.Name, s => (string?)s.Value)).Build());
}
