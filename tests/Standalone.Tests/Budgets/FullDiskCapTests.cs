using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Budgets;

/// <summary>F09 under budgets: the journal's disk fills up while streams are paid for in slices. What was let in is counted, what can't be put on file is not paid out.</summary>
public sealed class FullDiskCapTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private bool _mounted;

    public async ValueTask InitializeAsync()
    {
        try
        {
            using var mount = Process.Start(new ProcessStartInfo("mount", ["-t", "tmpfs", "-o", "size=1m", "tokonomics-test", _folder.Path]) { RedirectStandardError = true })!;
            await mount.WaitForExitAsync();
            _mounted = mount.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No such program here.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_mounted)
        {
            using var unmount = Process.Start("umount", [_folder.Path]);
            await unmount.WaitForExitAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task While_the_disk_is_full_no_call_is_let_in_that_is_not_on_file_and_no_cap_is_overshot()
    {
        if (!_mounted)
            Assert.Skip("needs the right to mount a small file system");
        await using var product = await TestProduct.StartAsync(new Dictionary<string, string?> { ["Journal:Folder"] = _folder.Path, ["Journal:SegmentBytes"] = "65536" });
        var sandbox = product.Sandbox;
        var budgets = new List<string>();
        foreach (var scope in (object[])[new { type = "tenant" }, new { type = "tag", key = "customer", value = "acme" }, new { type = "tag", key = "feature" }])
        {
            using var made = await product.ApiAsync(HttpMethod.Post, "budgets", JsonContent.Create(new { scope, period = "month", limit_usd = "0.5", environment = "test" }));
            var text = await made.Content.ReadAsStringAsync();
            made.IsSuccessStatusCode.ShouldBeTrue(text);
            budgets.Add(JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!);
        }

        async Task<(int Status, string Text)> CallAsync(string model, bool stream, string more = "")
        {
            using var answer = await product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(model, stream, more: more), null, ("X-Tokonomics-Tags", "customer=acme,feature=search"));
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }

        var refused = 0;
        await using (var witness = new CapWitness(product.DataFolder, () => sandbox.Bill.TotalNanoUsd, [.. budgets]))
        {
            for (var round = 0; round < 20; round++)
            {
                // Streams of 2,000 tokens, some two seconds and several extensions each, begin before the disk is full.
                var streams = Enumerable.Range(0, 3).Select(_ => CallAsync("sandbox-small-tokens-600", stream: true)).ToList();
                await Task.Delay(20 * (round % 5));
                var ballast = Path.Combine(_folder.Path, "ballast");
                Should.Throw<IOException>(() =>
                {
                    using var file = new FileStream(ballast, FileMode.Create, FileAccess.Write, FileShare.None, 1);
                    while (true)
                        file.Write(new byte[4096]);
                });
                // What is set aside already is used up first.
                for (var calls = 0; (await CallAsync("sandbox-small", stream: false, ",\"max_tokens\":10")).Status == 200; calls++)
                    calls.ShouldBeLessThan(2000);
                // From here on room comes and goes, as files that are in the ledger are deleted: each call is on file and forwarded, or neither.
                for (var i = 0; i < 5; i++)
                {
                    var (status, text) = await CallAsync("sandbox-small", stream: i % 2 == 0, ",\"max_tokens\":10");
                    if (status == 200)
                        continue;
                    status.ShouldBe(503);
                    text.ShouldContain("journal_unwritable");
                    refused++;
                }

                // Those that run end in order: by themselves, or cut where an extension could not be put on file.
                foreach (var (status, text) in await Task.WhenAll(streams))
                    (status == 503 || text.Contains("\"finish_reason\":\"stop\"", StringComparison.Ordinal) || text.Contains("\"finish_reason\":\"length\"", StringComparison.Ordinal)).ShouldBeTrue(text);
                File.Delete(ballast);
                var patience = Stopwatch.StartNew();
                while ((await CallAsync("sandbox-small", stream: false, ",\"max_tokens\":10")).Status != 200)
                {
                    patience.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30));
                    await Task.Delay(20);
                }
            }

            await sandbox.WhenIdleAsync();
            await product.FlushAsync();
            witness.Violations.ShouldBeEmpty();
        }

        refused.ShouldBeGreaterThan(20);
        (await product.EventsAsync()).Count.ShouldBe(sandbox.Bill.Lines.Count);
        (await product.Services.GetRequiredService<ILedgerVerification>().RunAsync(null, CancellationToken.None)).Findings.ShouldBeEmpty();
    }
}
