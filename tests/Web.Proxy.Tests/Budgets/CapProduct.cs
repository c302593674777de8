using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>One product for the tests of a class. Each test has budgets of its own on a tag's value of its own; the bill is compared by what a test adds to it.</summary>
public class CapProduct : IAsyncLifetime
{
    private int _values;

    public TestProduct Product { get; private set; } = null!;

    protected virtual IEnumerable<KeyValuePair<string, string?>> Settings => [];

    protected virtual Action<IServiceCollection>? Services => null;

    public async ValueTask InitializeAsync() => Product = await TestProduct.StartAsync(Settings, services: Services);

    public async ValueTask DisposeAsync()
    {
        await Product.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    public NanoUsd Bill => new(Product.Sandbox.Bill.TotalNanoUsd);

    /// <summary>A value of the tag <c>customer</c> that nobody has used.</summary>
    public string NewCustomer() => $"c{Interlocked.Increment(ref _values)}";

    public async Task<string> BudgetAsync(string customer, NanoUsd limit, bool clamp = true, decimal wait = 2, string mode = "strict", string period = "month") => await Product.BudgetAsync(
        new { scope = new { type = "tag", key = "customer", value = customer }, period, limit_usd = limit.ToString(), mode, environment = "test", clamp, wait_seconds = wait });

    public async Task ChangeAsync(string budget, NanoUsd limit, bool clamp = true, decimal wait = 2)
    {
        using var answer = await Product.ApiAsync(HttpMethod.Put, $"budgets/{budget}", JsonContent.Create(new { limit_usd = limit.ToString(), clamp, wait_seconds = wait }));
        ((int)answer.StatusCode).ShouldBe(204, await answer.Content.ReadAsStringAsync());
    }

    public Task<HttpResponseMessage> ChatAsync(string customer, string model = "sandbox-small", bool stream = false, string more = "", string path = "/v1/chat/completions", string prompt = "Hello") =>
        Product.PostAsync(path, ProxyCalls.Chat(model, stream, prompt, more), null, ("X-Tokonomics-Tags", $"customer={customer}"));

    /// <summary>What such a call holds, as its answer says.</summary>
    public static NanoUsd Held(HttpResponseMessage answer) => NanoUsd.Parse(answer.Headers.GetValues("x-tokonomics-held-usd").Single())!.Value;

    /// <summary>Nothing is held, nothing leased, and ledger, rollups and budgets say the same.</summary>
    public async Task SettledAsync()
    {
        await Product.DrainAsync();
        Product.Services.GetRequiredService<BudgetGate>().Sums().ShouldBe((NanoUsd.Zero, NanoUsd.Zero, NanoUsd.Zero));
        (await Product.Services.GetRequiredService<ILedgerVerification>().RunAsync(null, CancellationToken.None)).Findings.ShouldBeEmpty();
    }

    /// <summary>Reads an answer to its end; false where it broke off.</summary>
    public static async Task<(string Text, bool Whole)> ReadAsync(HttpResponseMessage answer)
    {
        var text = new MemoryStream();
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync();
            await body.CopyToAsync(text);
            return (System.Text.Encoding.UTF8.GetString(text.ToArray()), true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return (System.Text.Encoding.UTF8.GetString(text.ToArray()), false);
        }
    }
}
