using Microsoft.Extensions.Options;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Testing;

namespace Tokonomics.Tests.Secrets;

public sealed class MasterKeyRingTests
{
    [Fact]
    public void Whoever_starts_at_once_on_an_empty_folder_has_the_keys_that_stay()
    {
        for (var round = 0; round < 200; round++)
        {
            using var folder = new TestFolder();
            using var ready = new Barrier(4);
            var seen = new string[4];
            var threads = Enumerable.Range(0, 4).Select(i => new Thread(() =>
            {
                var ring = new MasterKeyRing(Options.Create(new SecretOptions()), Options.Create(new StoreOptions { DataDirectory = folder.Path }));
                ready.SignalAndWait();
                seen[i] = ring.CurrentId + ring.PepperFingerprint();
            })).ToList();
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());
            seen.Distinct().ShouldHaveSingleItem($"round {round}");
            Directory.GetFiles(folder.Path, "master.key*").ShouldHaveSingleItem();
        }
    }
}
