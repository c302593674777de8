using System.Net;
using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Infrastructure.Tests.Providers;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Security;

/// <summary>Endpoints that tenants add, over the API and through the proxy: none leads inside unless the operator says so.</summary>
public sealed class EndpointTests
{
    private const string Chat = """{"model":"m","messages":[]}""";

    [Fact]
    public async Task No_way_to_write_a_private_address_is_accepted_and_no_name_leads_to_one()
    {
        await using var inside = FakeProvider.Always(FakeProvider.Json("""{"secret":"inside"}"""));
        var answers = new Queue<IPAddress[]>();
        await using var product = await TestProduct.StartAsync(services: services =>
            services.AddSingleton(new UpstreamClients(TimeSpan.FromSeconds(2), allowPrivateAddresses: false, (_, _) => Task.FromResult(answers.Dequeue()))));

        foreach (var host in SsrfCorpus.Hosts)
        {
            using var refused = await AddAsync(product, $"https://{host}:{inside.Url.Port}/v1");
            ((int)refused.StatusCode).ShouldBe(422, host);
        }

        // A name that looks public is accepted; what it leads to is seen at each call anew.
        using (var added = await AddAsync(product, $"https://model.example.com:{inside.Url.Port}/v1"))
            ((int)added.StatusCode).ShouldBe(201, await added.Content.ReadAsStringAsync());
        foreach (var address in SsrfCorpus.Addresses)
        {
            answers.Enqueue([IPAddress.Parse(address)]);
            using var answer = await product.PostAsync("/proxy/own/v1/chat/completions", Chat, product.LiveKey);
            ((int)answer.StatusCode).ShouldBe(502, address);
            var message = IngressProduct.ErrorMessage("openai", await answer.Content.ReadAsStringAsync());
            message.ShouldContain("not public");
            message.ShouldNotContain(address);
        }

        answers.ShouldBeEmpty();
        inside.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_operator_may_allow_private_endpoints()
    {
        await using var inside = FakeProvider.Always(FakeProvider.Json("""{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":1}}"""));
        await using var product = await TestProduct.StartAsync(new Dictionary<string, string?> { ["Endpoints:AllowPrivate"] = "true" });
        using (var added = await AddAsync(product, $"http://127.0.0.1:{inside.Url.Port}/v1"))
            ((int)added.StatusCode).ShouldBe(201, await added.Content.ReadAsStringAsync());

        using var answer = await product.PostAsync("/proxy/own/v1/chat/completions", Chat, product.LiveKey);
        ((int)answer.StatusCode).ShouldBe(200);
        inside.Requests.Single().Header("Authorization").ShouldBeNull("the metering key is not the endpoint's");

        // Another tenant knows nothing of it.
        var other = await product.ProvisionAsync("other", new Dictionary<string, string>());
        using var unknown = await product.PostAsync("/proxy/own/v1/chat/completions", Chat, other.LiveKey.Secret);
        ((int)unknown.StatusCode).ShouldBe(404);
        // A test key reaches the sandbox under that name and never the endpoint.
        using var sandboxed = await product.PostAsync("/proxy/own/v1/chat/completions", ProxyCalls.Chat(), product.TestKey);
        ((int)sandboxed.StatusCode).ShouldBe(200);
        inside.Requests.Count.ShouldBe(1);
    }

    private static Task<HttpResponseMessage> AddAsync(TestProduct product, string url) =>
        product.ApiAsync(HttpMethod.Post, "endpoints", JsonContent.Create(new { name = "own", base_url = url, surface = "openai" }));
}
