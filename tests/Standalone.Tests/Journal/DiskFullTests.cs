using System.Diagnostics;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Journal;

/// <summary>The journal on a disk of a megabyte that somebody else fills: nothing is forwarded that can't be recorded, and all goes on when there is room again.</summary>
public sealed class DiskFullTests : IAsyncLifetime
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
    public async Task While_the_disk_is_full_calls_are_refused_unforwarded_and_afterwards_all_goes_on()
    {
        if (!_mounted)
            Assert.Skip("needs the right to mount a small file system");
        await using var provider = FakeProvider.Always(FakeProvider.Json("""{"id":"c","object":"chat.completion","model":"gpt-5.1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"""));
        await using var product = await TestProduct.StartAsync(
            new Dictionary<string, string?> { ["Providers:openai:BaseUrl"] = provider.Url.ToString(), ["Journal:Folder"] = _folder.Path, ["Journal:SegmentBytes"] = "65536" },
            new Dictionary<string, string> { ["openai"] = "sk-0123456789" });
        async Task<int> CallAsync()
        {
            using var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1"), product.LiveKey);
            var text = await answer.Content.ReadAsStringAsync();
            if ((int)answer.StatusCode == 503)
            {
                JsonDocument.Parse(text).RootElement.GetProperty("error").GetProperty("code").GetString().ShouldBe("journal_unwritable");
                answer.Headers.RetryAfter!.ToString().ShouldBe("2");
            }

            return (int)answer.StatusCode;
        }

        (await CallAsync()).ShouldBe(200);
        // Twice: it recovers for good, not once.
        for (var round = 0; round < 2; round++)
        {
            var ballast = Path.Combine(_folder.Path, "ballast");
            FillUp(ballast);
            // What is set aside already is used up first; and what the ledger took meanwhile is freed, and is room again.
            var calls = 0;
            for (var refused = 0; refused < 20; refused++)
            {
                var forwarded = provider.Requests.Count;
                if (await CallAsync() == 503)
                {
                    provider.Requests.Count.ShouldBe(forwarded);
                    continue;
                }

                (++calls).ShouldBeLessThan(2000);
                refused = -1;
                FillUp(ballast);
            }

            using (var ready = await product.Client.GetAsync("/readyz"))
            {
                ((int)ready.StatusCode).ShouldBe(503);
                (await ready.Content.ReadAsStringAsync()).ShouldBe("""{"status":"not_ready","problems":[{"check":"journal","detail":"the journal can\u0027t be written"}]}""");
            }

            File.Delete(ballast);
            var patience = Stopwatch.StartNew();
            while (await CallAsync() != 200)
            {
                patience.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30));
                await Task.Delay(20);
            }
        }

        (await product.EventsAsync()).Count.ShouldBe(provider.Requests.Count);
        product.Log.Lines.ShouldContain(l => l.Contains("No call is admitted: the journal", StringComparison.Ordinal));
    }

    private static void FillUp(string ballast)
    {
        using var file = new FileStream(ballast, FileMode.Append, FileAccess.Write, FileShare.None, 1);
        Should.Throw<IOException>(() =>
        {
            while (true)
                file.Write(new byte[4096]);
        });
    }
}
