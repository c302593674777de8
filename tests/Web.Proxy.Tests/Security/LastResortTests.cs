using System.Text.Json;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Security;

/// <summary>A failure that nobody expected, put into the middle of the product.</summary>
public sealed class LastResortTests : IAsyncLifetime
{
    private const string Inside = "Inside-7Q: the input string 'mk_live_secret' at /src/Secret.cs";

    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync(services: services =>
    {
        services.AddSingleton<IKeyDirectory>(new FailingDirectory());
        services.AddSingleton<IPipelineBehavior<AuthenticateApiToken, Outcome<Caller>>>(new FailingTokens());
    });

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    [Theory]
    [InlineData("/v1/chat/completions", "openai")]
    [InlineData("/v1/messages", "anthropic")]
    [InlineData("/proxy/openai/v1/embeddings", "openai")]
    [InlineData("/proxy/anthropic/v1/messages", "anthropic")]
    [InlineData("/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent", "gemini")]
    [InlineData("/proxy/cohere/v2/chat", "cohere")]
    [InlineData("/proxy/ollama/api/chat", "ollama")]
    public async Task It_is_told_in_the_dialects_shape_and_nothing_of_the_inside_with_it(string target, string shape)
    {
        await using var client = await RawClient.ConnectAsync(_product.Url.Port);
        var request = $"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {_product.LiveKey}\r\nContent-Length: 2\r\n\r\n{{}}";
        await client.SendAsync(request + request);

        for (var i = 0; i < 2; i++)
        {
            var answer = (await client.ReadAsync()).ShouldNotBeNull();
            answer.Status.ShouldBe(500);
            answer["Content-Type"].ShouldBe("application/json; charset=utf-8");
            answer["x-tokonomics-request-id"].ShouldNotBeNullOrEmpty();
            IngressProduct.ErrorMessage(shape, answer.Text).ShouldContain("in the log under the request's id");
            foreach (var word in (string[])["Inside-7Q", "Exception", " at ", ".cs", "mk_live"])
                answer.Text.ShouldNotContain(word);
            _product.Log.Lines.ShouldContain(l => l.Contains(answer["x-tokonomics-request-id"]!, StringComparison.Ordinal) && l.Contains("System.InvalidOperationException from System.FormatException", StringComparison.Ordinal));
        }

        _product.Log.Lines.ShouldNotContain(l => l.Contains("Inside-7Q", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("GET", "/api/v1/keys")]
    [InlineData("GET", "/api/v1/usage/events")]
    [InlineData("DELETE", "/api/v1/keys/x")]
    public async Task The_api_tells_it_as_a_problem(string method, string path)
    {
        await using var client = await RawClient.ConnectAsync(_product.Url.Port);
        await client.SendAsync($"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {_product.Token}\r\nContent-Length: 0\r\n\r\n");

        var answer = (await client.ReadAsync()).ShouldNotBeNull();
        answer.Status.ShouldBe(500);
        answer["Content-Type"].ShouldBe("application/problem+json; charset=utf-8");
        JsonDocument.Parse(answer.Text).RootElement.GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:internal_error");
        answer.Text.ShouldNotContain("Inside-7Q");
        _product.Log.Lines.ShouldNotContain(l => l.Contains("Inside-7Q", StringComparison.Ordinal));
    }

    private sealed class FailingDirectory : IKeyDirectory
    {
        public KeyLookup Find(ReadOnlySpan<char> presented) => throw new InvalidOperationException(Inside, new FormatException(Inside));
    }

    private sealed class FailingTokens : IPipelineBehavior<AuthenticateApiToken, Outcome<Caller>>
    {
        public Task<Outcome<Caller>> Handle(AuthenticateApiToken request, CancellationToken cancellationToken, RequestHandlerDelegate<Outcome<Caller>> next) => throw new InvalidOperationException(Inside);
    }
}
