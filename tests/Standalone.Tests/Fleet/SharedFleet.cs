namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>One fleet for one fault after the other, and no two of these tests at once: they are all of this machine's processors.</summary>
public sealed class SharedFleet : IAsyncLifetime
{
    public const string Name = "fleet";

    private Fleet? _fleet;
    private Caps? _caps;

    /// <summary>The fleet whole: all three proxies run, as they are set up.</summary>
    internal async Task<(Fleet Fleet, Caps Caps)> WholeAsync()
    {
        _fleet ??= await Fleet.StartAsync(durable: true);
        for (var i = 0; i < _fleet.Proxies.Count; i++)
        {
            if (_fleet.Proxies[i] is { HasExited: true }) // a test before this one failed
                await _fleet.KillProxyAsync(i);
            if (_fleet.Proxies[i] is null)
                await _fleet.StartProxyAsync(i);
        }

        _caps ??= await Caps.MakeAsync(_fleet, 0.5m);
        return (_fleet, _caps);
    }

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        if (_fleet is not null)
            await _fleet.DisposeAsync();
    }
}

[CollectionDefinition(SharedFleet.Name)]
public sealed class FleetTestGroup : ICollectionFixture<SharedFleet>;
