using Microsoft.Extensions.Configuration;
using Tokonomics.Application.Providers;
using Tokonomics.Infrastructure.Providers;

namespace Tokonomics.Application.Tests.Providers;

/// <summary>Every route of every provider, found under every form of its path; and what must not be found.</summary>
public sealed class RouteTableTests
{
    private static readonly ProviderCatalogue Catalogue = ProviderData.Load(new ConfigurationBuilder().Build());

    public static TheoryData<string> Providers => [.. Catalogue.Providers.Keys];

    [Theory]
    [MemberData(nameof(Providers))]
    public void Every_route_is_found_with_its_prefix_and_leads_there_unchanged(string name)
    {
        var provider = Catalogue.Find(name)!;
        var cases = 0;
        foreach (var mounted in provider.Routes.Surfaces)
            foreach (var prefix in mounted.Prefixes)
                foreach (var route in mounted.Surface.Routes)
                {
                    var path = Join(prefix, Filled(route));
                    var match = provider.Routes.Find(route.Method, path).ShouldNotBeNull($"{route.Method} {path}");
                    match.UpstreamPath.ShouldBe(path);
                    (match.Route.Kind != RouteKind.Free || route.Kind == RouteKind.Free).ShouldBeTrue($"{route.Method} {path} costs money and was taken for {match.Route.Template}");
                    cases++;
                }

        cases.ShouldBeGreaterThan(3);
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public void Every_route_is_found_without_its_prefix_and_gets_the_first(string name)
    {
        var provider = Catalogue.Find(name)!;
        foreach (var mounted in provider.Routes.Surfaces)
            foreach (var route in mounted.Surface.Routes)
            {
                var path = Filled(route);
                var match = provider.Routes.Find(route.Method, path).ShouldNotBeNull($"{route.Method} {path}");
                // Where two surfaces have the route, either may serve it; money is never taken for nothing.
                match.UpstreamPath.ShouldBeOneOf([.. provider.Routes.Surfaces.SelectMany(s => s.Prefixes).Select(p => Join(p, path))]);
                (match.Route.Kind != RouteKind.Free || route.Kind == RouteKind.Free).ShouldBeTrue($"{route.Method} {path}");
            }
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public void Every_route_is_found_behind_the_end_of_its_prefix(string name)
    {
        var provider = Catalogue.Find(name)!;
        foreach (var mounted in provider.Routes.Surfaces)
            foreach (var prefix in mounted.Prefixes.Where(p => p.Contains('/', StringComparison.Ordinal)))
                foreach (var route in mounted.Surface.Routes)
                {
                    var end = prefix[(prefix.IndexOf('/', StringComparison.Ordinal) + 1)..];
                    provider.Routes.Find(route.Method, Join(end, Filled(route))).ShouldNotBeNull($"{name}: {route.Method} {end}/{Filled(route)}");
                }
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public void Behind_an_unknown_head_only_what_is_metered_is_found(string name)
    {
        var provider = Catalogue.Find(name)!;
        foreach (var mounted in provider.Routes.Surfaces)
            foreach (var route in mounted.Surface.Routes)
            {
                var match = provider.Routes.Find(route.Method, "gateway-x/" + Filled(route));
                if (route.Kind == RouteKind.Metered && !route.Template.Contains("{rest}", StringComparison.Ordinal))
                    match.ShouldNotBeNull($"{route.Method} gateway-x/{Filled(route)}");
                if (match is not null)
                    match.Route.Kind.ShouldBe(RouteKind.Metered, $"{route.Method} gateway-x/{Filled(route)} was taken for {match.Route.Template}");
            }
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public void The_wrong_method_finds_nothing_that_costs(string name)
    {
        var provider = Catalogue.Find(name)!;
        foreach (var mounted in provider.Routes.Surfaces)
            foreach (var route in mounted.Surface.Routes.Where(r => r.Kind == RouteKind.Metered))
                foreach (var method in (string[])["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", "Post", "POST ", ""])
                    provider.Routes.Find(method, Join(mounted.Prefixes[0], Filled(route)))?.Route.Kind.ShouldBe(RouteKind.Free, $"{method} {Filled(route)}");
    }

    // Each would be a way to spend money under the name of a route that costs nothing.
    [Theory]
    [InlineData("openai", "POST", "v1/threads/x%2Fruns")]
    [InlineData("openai", "POST", "v1/threads/x%2fruns")]
    [InlineData("openai", "POST", "v1/conversations/..")]
    [InlineData("openai", "POST", "v1/assistants/a%2Fb")]
    [InlineData("openai", "POST", "v1/chat%2Fcompletions")]
    [InlineData("gemini", "GET", "v1beta/files/x:download/y")]
    [InlineData("gemini", "POST", "v1beta/models/a%2Fb:generateContent")]
    [InlineData("gemini", "POST", "v1beta/models/:generateContent")]
    [InlineData("gemini", "POST", "v1beta/cachedContents/x:generateContent")]
    [InlineData("gemini", "PATCH", "v1beta/cachedContents/x:generateContent")]
    [InlineData("anthropic", "POST", "v1/messages/batches/a%2Fb/cancel")]
    public void A_free_route_is_no_cover_for_another(string provider, string method, string path)
    {
        var match = Catalogue.Find(provider)!.Routes.Find(method, path);
        if (path.EndsWith("..", StringComparison.Ordinal))
            ProxyPath.Problem(path).ShouldNotBeNull();
        else
            match.ShouldBeNull($"{match?.Route.Template}");
    }

    [Theory]
    [InlineData("v1/models/gemini-2.5-flash:generateContent")]
    [InlineData("v1beta/models/gemini-2.5-flash:generateContent")]
    [InlineData("models/gemini-2.5-flash:streamGenerateContent")]
    public void A_model_is_not_read_by_the_name_of_a_method_at_the_same_address(string path)
    {
        var match = Catalogue.Find("gemini")!.Routes.Find("GET", path);
        // Where it is found at all it is the listing of the compatible surface, whose address has no such methods.
        match?.UpstreamPath.ShouldStartWith("v1beta/openai/");
    }

    [Theory]
    [InlineData("")]
    [InlineData("v1")]
    [InlineData("chat")]
    [InlineData("v1/chat/completions/extra/more")]
    [InlineData("v1/Chat/Completions")]
    [InlineData("v1/chat/completionss")]
    [InlineData("v1/xchat/xcompletions")]
    [InlineData("v1/chat.completions")]
    [InlineData("v1/audio")]
    [InlineData("v1/audio/speech/x")]
    [InlineData("v1/realtime")]
    [InlineData("v1/realtime/sessions")]
    [InlineData("v1/files/x/y/z")]
    [InlineData("v1/fine_tuning/checkpoints/x/permissions")]
    [InlineData("admin/v1/users")]
    [InlineData("v1/organization/admin_api_keys")]
    [InlineData("dashboard/billing/usage")]
    [InlineData("v2/uploads")]
    [InlineData("gateway-x/files")]
    [InlineData("gateway-x/v1/batches")]
    public void What_nothing_meters_is_not_found(string path) => Catalogue.Find("openai")!.Routes.Find("POST", path).ShouldBeNull();

    [Theory]
    [InlineData("openai", "POST", "chat/completions", "v1/chat/completions", null)]
    [InlineData("openai", "POST", "v1/chat/completions/", "v1/chat/completions", null)]
    [InlineData("openai", "POST", "v1//chat///completions", "v1/chat/completions", null)]
    [InlineData("openai", "POST", "v1/%63hat/completions", "v1/%63hat/completions", null)]
    [InlineData("groq", "POST", "v1/chat/completions", "openai/v1/chat/completions", null)]
    [InlineData("groq", "POST", "chat/completions", "openai/v1/chat/completions", null)]
    [InlineData("deepseek", "POST", "chat/completions", "chat/completions", null)]
    [InlineData("deepseek", "POST", "anthropic/v1/messages", "anthropic/v1/messages", null)]
    [InlineData("openai", "GET", "v1/models/meta-llama%2FLlama-3", "v1/models/meta-llama%2FLlama-3", null)]
    [InlineData("openai", "GET", "v1/models/ft:gpt-4o:org::id", "v1/models/ft:gpt-4o:org::id", null)]
    [InlineData("gemini", "POST", "models/gemini-2.5-flash:generateContent", "v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash")]
    [InlineData("gemini", "POST", "v1/models/gemini-2.5-flash:streamGenerateContent", "v1/models/gemini-2.5-flash:streamGenerateContent", "gemini-2.5-flash")]
    [InlineData("gemini", "POST", "v1beta/models/gemini%2D2.5:generateContent", "v1beta/models/gemini%2D2.5:generateContent", "gemini-2.5")]
    [InlineData("azure-openai", "POST", "deployments/my-gpt/chat/completions", "openai/deployments/my-gpt/chat/completions", "my-gpt")]
    [InlineData("ollama", "POST", "chat", "api/chat", null)]
    [InlineData("cohere", "POST", "v2/chat", "v2/chat", null)]
    [InlineData("huggingface", "POST", "together/v1/chat/completions", "together/v1/chat/completions", null)]
    public void A_path_leads_where_its_provider_serves_it(string provider, string method, string path, string upstream, string? model)
    {
        var match = Catalogue.Find(provider)!.Routes.Find(method, path).ShouldNotBeNull();
        match.UpstreamPath.ShouldBe(upstream);
        match.PathModel.ShouldBe(model);
    }

    // {id} and {model} are one segment each, {rest} two here.
    private static string Filled(Route route) =>
        route.Template[(route.Template.IndexOf(' ', StringComparison.Ordinal) + 1)..].Replace("{id}", "abc-1", StringComparison.Ordinal).Replace("{model}", "model-1", StringComparison.Ordinal)
            .Replace("{rest}", "org/model-1", StringComparison.Ordinal);

    private static string Join(string prefix, string path) => prefix.Length == 0 ? path : $"{prefix}/{path}";
}
