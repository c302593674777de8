using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Journal;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>What the tests of caps do to a product and read from it.</summary>
internal static class BudgetCalls
{
    public static async Task<string> BudgetAsync(this TestProduct product, object budget)
    {
        using var answer = await product.ApiAsync(HttpMethod.Post, "budgets", JsonContent.Create(budget));
        var text = await answer.Content.ReadAsStringAsync();
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        return JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!;
    }

    /// <summary>A month's budget of the test environment.</summary>
    public static Task<string> BudgetAsync(this TestProduct product, string limitUsd, object? scope = null, string mode = "strict", bool clamp = true, decimal waitSeconds = 2) =>
        product.BudgetAsync(new { scope = scope ?? new { type = "tenant" }, period = "month", limit_usd = limitUsd, mode, environment = "test", clamp, wait_seconds = waitSeconds });

    public static async Task<JsonElement> StateAsync(this TestProduct product, string id)
    {
        await product.FlushAsync();
        using var answer = await product.ApiAsync(HttpMethod.Get, $"budgets/{id}");
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("state");
    }

    public static NanoUsd Usd(this JsonElement state, string name) => NanoUsd.Parse(state.GetProperty(name).GetString()!)!.Value;

    /// <summary>Until no call runs, everything is in the ledger, and what was leased and not needed is back.</summary>
    public static async Task DrainAsync(this TestProduct product)
    {
        var gate = product.Services.GetRequiredService<BudgetGate>();
        for (var tries = 0; product.Sandbox.Bill.OpenCalls > 0 || gate.Sums().Held > NanoUsd.Zero; tries++)
        {
            tries.ShouldBeLessThan(2000, $"{product.Sandbox.Bill.OpenCalls} calls run at the sandbox, {gate.Sums().Held} USD are held");
            await Task.Delay(10);
        }

        // A call gives back what it held a moment before its event is on file. One that holds nothing may run on.
        var journal = product.Services.GetRequiredService<CallJournal>();
        for (var tries = 0; journal.OpenCalls > 0 && tries < 200; tries++)
            await Task.Delay(10);
        await product.FlushAsync();
        await gate.DrainAsync();
    }

    public static async Task<int> StatusAsync(Task<HttpResponseMessage> call)
    {
        using var answer = await call;
        await answer.Content.ReadAsByteArrayAsync();
        return (int)answer.StatusCode;
    }
}
