using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;
using Tokonomics.Web.Portal.Pages.Start;

namespace Tokonomics.Web.Portal.Tests.Pages;

/// <summary>The way from nothing to the first call: a provider key that is tried at once, a metering key, a program to copy.</summary>
public sealed class StartPageTests : IAsyncLifetime
{
    private FakeProvider _openAi = null!;
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync()
    {
        _openAi = FakeOpenAi.Start();
        _product = await TestProduct.StartAsync([new("Providers:openai:BaseUrl", _openAi.Url.ToString())]);
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _openAi.DisposeAsync();
    }

    [Fact]
    public async Task A_provider_key_is_stored_on_the_page_tried_at_once_and_the_provider_is_quoted()
    {
        var owner = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        using (var stored = await owner.PostAsync("/start?handler=Provider", [new("Provider", "openai"), new("ProviderKey", "sk-wrong-key-0123456789abcdef")]))
            stored.Headers.Location?.ToString().ShouldBe("/start?for=live", await stored.Content.ReadAsStringAsync());
        var page = WebUtility.HtmlDecode(await owner.ReadAsync("/start?for=live"));
        page.ShouldContain("The provider says: HTTP 401: Incorrect API key provided: …. You can find your API key in your account.");
        page.ShouldNotContain("sk-wrong-key");
        page.ShouldContain("…cdef");

        using (var stored = await owner.PostAsync("/start?handler=Provider", [new("Provider", "openai"), new("ProviderKey", FakeOpenAi.Key)]))
            stored.StatusCode.ShouldBe(HttpStatusCode.Found);
        page = await owner.ReadAsync("/start?for=live");
        page.ShouldContain("accepted");
        page.ShouldNotContain(FakeOpenAi.Key);
        page.ShouldNotContain("Incorrect API key");
    }

    [Fact]
    public async Task A_provider_key_that_no_header_can_carry_is_refused_at_its_field_and_not_shown_again()
    {
        var owner = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        using var refused = await owner.PostAsync("/start?handler=Provider", [new("Provider", "openai"), new("ProviderKey", "sk with spaces")]);
        var text = await refused.Content.ReadAsStringAsync();
        text.ShouldContain("A provider key is 1 to 4096 visible ASCII characters");
        text.ShouldNotContain("sk with spaces");
        Regex.IsMatch(text, "id=\"key-live\" checked").ShouldBeTrue(text);
        _openAi.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_may_not_store_provider_keys_has_no_field_for_one_and_is_refused()
    {
        var dev = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        var page = await dev.ReadAsync("/start?for=live");
        page.ShouldNotContain("ProviderKey");
        page.ShouldContain("Make a key");
        using (var refused = await dev.PostAsync("/start?handler=Provider", [new("Provider", "openai"), new("ProviderKey", FakeOpenAi.Key)]))
            refused.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        var viewer = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Viewer);
        (await viewer.ReadAsync("/start")).ShouldNotContain("Make a key");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_program_of_the_page_runs_as_it_stands_in_curl_and_in_Node(bool ownProviderKey)
    {
        var owner = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        if (!ownProviderKey)
            using (await owner.PostAsync("/start?handler=Provider", [new("Provider", "openai"), new("ProviderKey", FakeOpenAi.Key)]))
            {
            }

        string page;
        using (var made = await owner.PostAsync("/start", [new("KeyEnvironment", "Live")]))
            page = await made.Content.ReadAsStringAsync();
        var key = Regex.Match(page, """<code id="secret">([^<]+)</code>""").Groups[1].Value;
        key.ShouldStartWith("mk_live_");
        var group = ownProviderKey ? "own" : "snippet";
        // Both ways are on the page; the one that works now comes first.
        page.IndexOf($"id=\"{group}-curl-text\"", StringComparison.Ordinal).ShouldBeLessThan(page.IndexOf($"id=\"{(ownProviderKey ? "snippet" : "own")}-curl-text\"", StringComparison.Ordinal));
        var settings = _product.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<PortalOptions>>().Value;
        foreach (var language in new[] { "curl", "python", "node", "csharp", "go" })
            foreach (var mode in new[] { "snippet", "own" })
            {
                var text = Text(page, $"{mode}-{language}-text");
                text.ShouldContain(key, Case.Sensitive, $"{mode} {language}");
                text.ShouldContain($"{settings.CallsUrl.ToString().TrimEnd('/')}/", Case.Sensitive, $"{mode} {language}");
                if (mode == "own")
                    text.ShouldContain("X-Tokonomics-Key", Case.Sensitive, language);
            }

        var environment = KeyValuePair.Create("OPENAI_API_KEY", FakeOpenAi.Key);
        foreach (var (exitCode, output) in new[] { await SdkProgram.RunAsync(Here(Text(page, $"{group}-node-text")), environment), await SdkProgram.ShellAsync(Here(Text(page, $"{group}-curl-text")), environment) })
        {
            exitCode.ShouldBe(0, output);
            output.ShouldContain("Hello to you");
        }

        _openAi.Requests.Count(r => r.Line.StartsWith("POST /v1/chat/completions", StringComparison.Ordinal) && r.Header("Authorization") == "Bearer " + FakeOpenAi.Key).ShouldBe(2);

        // The page is told the public address; this product is on a port of its own.
        string Here(string program) => program.Replace(settings.CallsUrl.ToString().TrimEnd('/'), _product.Url.ToString().TrimEnd('/'), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_program_of_the_page_runs_as_it_stands_in_Python_and_in_CSharp(bool ownProviderKey)
    {
        // A test key reaches the sandbox; the application's own provider key goes with a live one.
        var owner = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        string page;
        using (var made = await owner.PostAsync("/start", [new("KeyEnvironment", ownProviderKey ? "Live" : "Test")]))
            page = await made.Content.ReadAsStringAsync();
        var shown = _product.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<PortalOptions>>().Value.CallsUrl.ToString().TrimEnd('/');
        var environment = KeyValuePair.Create("OPENAI_API_KEY", FakeOpenAi.Key);
        foreach (var (language, run) in new (string, Func<string, Task<(int, string)>>)[] { ("python", p => SdkProgram.PythonAsync(p, environment)), ("csharp", p => SdkProgram.CSharpAsync(p, environment)) })
        {
            var program = Text(page, $"{(ownProviderKey ? "own" : "snippet")}-{language}-text");
            program.ShouldContain(shown, Case.Sensitive, language);
            var (exitCode, output) = await run(program.Replace(shown, _product.Url.ToString().TrimEnd('/'), StringComparison.Ordinal));
            exitCode.ShouldBe(0, $"{language}: {output}");
            output.Trim().ShouldNotBeEmpty(language);
            if (ownProviderKey)
                output.ShouldContain("Hello to you", Case.Sensitive, language);
        }

        (ownProviderKey ? _openAi.Requests.Count(r => r.Line.StartsWith("POST /v1/chat/completions", StringComparison.Ordinal) && r.Header("Authorization") == "Bearer " + FakeOpenAi.Key) : _product.Sandbox.Bill.Lines.Count(l => l.Status == 200)).ShouldBe(2);
    }

    // OpenAI's module for Go is not among Debian's packages, and nothing else can be compiled against: this is gofmt's own parser and printer, which know nothing of types.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_program_of_the_page_in_Go_is_as_gofmt_writes_it(bool ownProviderKey)
    {
        var program = Snippets.Of("http://localhost:5000", "mk_test_0123", "sandbox-small", ownProviderKey).Single(s => s.Id == "go").Text + "\n";
        var (exitCode, output) = await SdkProgram.RunAsync($"import {{ format }} from '@wasm-fmt/gofmt';\nprocess.stdout.write(format({JsonSerializer.Serialize(program)}));");
        exitCode.ShouldBe(0, output);
        output.ShouldBe(program);
    }

    [Fact]
    public void Every_model_of_a_program_is_one_that_its_provider_has_with_a_price()
    {
        var (book, catalogue) = (_product.Services.GetRequiredService<PriceBook>(), _product.Services.GetRequiredService<ProviderCatalogue>());
        Snippets.ModelOfProvider.Count.ShouldBeGreaterThan(5);
        foreach (var (provider, model) in Snippets.ModelOfProvider)
        {
            catalogue.Find(provider)!.Routes.Find("POST", "chat/completions").ShouldNotBeNull(provider);
            var bare = model.StartsWith(provider + "/", StringComparison.Ordinal) ? model[(provider.Length + 1)..] : model;
            book.Find(provider, bare, DateTimeOffset.UtcNow).ShouldNotBeNull(model);
        }

        Snippets.ModelOf(["ollama", "groq"]).ShouldBe("groq/llama-3.1-8b-instant");
        Snippets.ModelOf(["my-llm"]).ShouldBe("gpt-4o-mini");
    }

    private static string Text(string page, string id) => WebUtility.HtmlDecode(Regex.Match(page, $"<code id=\"{id}\">([^<]*)</code>").Groups[1].Value);
}
