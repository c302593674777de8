using System.Net;
using System.Net.Sockets;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Keys;
using Tokonomics.Infrastructure.Providers;

namespace Tokonomics.Infrastructure.Tests.Providers;

/// <summary>What a tenant may name as an endpoint, and where connections to it may go: the text is checked when it is stored, every address at every connection.</summary>
public sealed class AddressGuardTests : IDisposable
{
    // Whatever reaches this machine on any of its addresses at this port was a forbidden connection.
    private readonly TcpListener _inside = Listener(IPAddress.IPv6Any);

    private int Port => ((IPEndPoint)_inside.LocalEndpoint).Port;

    public void Dispose() => _inside.Dispose();

    public static TheoryData<string> Hosts => [.. SsrfCorpus.Hosts];

    public static TheoryData<string> Addresses => [.. SsrfCorpus.Addresses];

    public static TheoryData<string> PublicAddresses => [.. SsrfCorpus.Public];

    [Fact]
    public void The_corpus_has_enough() => SsrfCorpus.Hosts.Distinct().Count().ShouldBeGreaterThanOrEqualTo(150);

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_private_host_is_refused_by_its_text(string host)
    {
        EndpointAddress.Problem($"https://{host}/v1", allowPrivate: false).ShouldNotBeNull();
        EndpointAddress.Problem($"https://{host}:8443/v1", allowPrivate: false).ShouldNotBeNull();
        EndpointAddress.Problem($"http://{host}/", allowPrivate: false).ShouldNotBeNull();
    }

    // As if the text had been stored by a version that knew less: the connection is the second wall.
    [Theory]
    [MemberData(nameof(Hosts))]
    public async Task A_private_host_is_not_connected_to_even_if_it_was_stored(string host)
    {
        if (!Uri.TryCreate($"http://{host}:{Port}/v1/models", UriKind.Absolute, out var url) || url.Scheme != "http" || url.Host.Length == 0)
            return; // no client could send this anywhere
        // This machine's resolver knows names in the neighbourhood; the others lead here by intent.
        using var clients = new UpstreamClients(TimeSpan.FromSeconds(5), allowPrivateAddresses: false, (_, _) => Task.FromResult<IPAddress[]>([IPAddress.Loopback, IPAddress.IPv6Loopback]));
        using var request = new HttpRequestMessage(HttpMethod.Get, url);

        var failure = await Should.ThrowAsync<HttpRequestException>(() => clients.For(Tenants()).SendAsync(request, CancellationToken.None));
        (failure.InnerException is AddressRefusedException).ShouldBeTrue($"{url}: {failure}");
        _inside.Pending().ShouldBeFalse();
    }

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task A_name_that_leads_inside_is_not_connected_to(string address)
    {
        var inside = IPAddress.Parse(address);
        EndpointAddress.IsPublic(inside).ShouldBeFalse();
        await Should.ThrowAsync<AddressRefusedException>(async () => await ConnectAsync([inside]));
        // One public address among private ones opens nothing, in whatever order.
        await Should.ThrowAsync<AddressRefusedException>(async () => await ConnectAsync([IPAddress.Parse("1.1.1.1"), inside]));
        await Should.ThrowAsync<AddressRefusedException>(async () => await ConnectAsync([inside, IPAddress.Parse("1.1.1.1")]));
        _inside.Pending().ShouldBeFalse();
    }

    [Theory]
    [MemberData(nameof(PublicAddresses))]
    public void A_public_address_is_public(string address) => EndpointAddress.IsPublic(IPAddress.Parse(address)).ShouldBeTrue();

    [Theory]
    [InlineData("https://api.example.com/v1")]
    [InlineData("https://api.example.com")]
    [InlineData("https://api.example.com:8443/openai/v1/")]
    [InlineData("https://xn--mnchen-3ya.example/v1")]
    [InlineData("https://8.8.8.8/v1")]
    [InlineData("https://[2606:4700::1111]/v1")]
    [InlineData("https://10.example.com/v1")]
    [InlineData("https://0x7f.example.com/v1")]
    public void A_public_url_is_accepted(string url) => EndpointAddress.Problem(url, allowPrivate: false).ShouldBeNull();

    [Theory]
    [InlineData("ftp://api.example.com/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("gopher://api.example.com/")]
    [InlineData("javascript:alert(1)")]
    [InlineData("//api.example.com")]
    [InlineData("api.example.com")]
    [InlineData("https:/api.example.com")]
    [InlineData("https:///v1")]
    [InlineData("https://api.example.com/a/../b")]
    [InlineData("https://api.example.com/a/%2e%2e/b")]
    [InlineData("https://api.example.com//b")]
    [InlineData("https://api.example.com/a%2fb")]
    [InlineData("https://api.example.com/?x=y")]
    [InlineData("https://api.example.com/#x")]
    [InlineData("https://user:pass@api.example.com/")]
    [InlineData("https://user@api.example.com/")]
    [InlineData("https://api.example.com/\r\nX: y")]
    [InlineData("https://api.example.com/ ")]
    [InlineData(" https://api.example.com/")]
    [InlineData("https://api.example.com:99999/")]
    public void A_url_that_is_more_than_a_base_is_refused_even_to_a_trusted_tenant(string url) => EndpointAddress.Problem(url, allowPrivate: true).ShouldNotBeNull();

    [Theory]
    [InlineData("http://127.0.0.1:8000/v1")]
    [InlineData("http://localhost:11434")]
    [InlineData("http://10.0.0.5/v1")]
    [InlineData("http://[::1]:8000/v1")]
    [InlineData("https://model.internal/v1")]
    public async Task An_operator_may_allow_private_ones(string url)
    {
        EndpointAddress.Problem(url, allowPrivate: true).ShouldBeNull();
        EndpointAddress.Problem(url, allowPrivate: false).ShouldNotBeNull();
        using var clients = new UpstreamClients(TimeSpan.FromSeconds(5), allowPrivateAddresses: true);
        using var stop = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{Port}/");

        var sending = clients.For(Tenants()).SendAsync(request, stop.Token);
        using var arrived = await _inside.AcceptSocketAsync();
        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => sending);
    }

    [Fact]
    public async Task An_answer_of_dns_that_changes_after_the_check_changes_nothing()
    {
        var asked = 0;
        // The first answer is public (and leads nowhere from here), each later one is this machine.
        Task<IPAddress[]> Resolve(string host, CancellationToken ct) => Task.FromResult<IPAddress[]>(Interlocked.Increment(ref asked) == 1 ? [IPAddress.Parse("1.0.0.0")] : [IPAddress.Loopback]);
        using var clients = new UpstreamClients(TimeSpan.FromMilliseconds(300), allowPrivateAddresses: false, Resolve);

        for (var i = 1; i <= 5; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://rebinding.example:{Port}/");
            var failure = await Should.ThrowAsync<Exception>(() => clients.For(Tenants()).SendAsync(request, CancellationToken.None));
            asked.ShouldBe(i, "one answer of DNS for one connection: what is checked is what is connected to");
            if (i > 1)
                failure.InnerException.ShouldBeOfType<AddressRefusedException>();
            _inside.Pending().ShouldBeFalse();
        }
    }

    [Fact]
    public async Task A_refusal_does_not_tell_the_tenant_what_the_inside_looks_like()
    {
        var refused = await Should.ThrowAsync<AddressRefusedException>(async () => await ConnectAsync([IPAddress.Parse("10.20.30.40")]));

        refused.Message.ShouldNotContain("10.20");
        refused.Message.ShouldContain("Endpoints:AllowPrivate=true");
    }

    private static TcpListener Listener(IPAddress address)
    {
        var listener = new TcpListener(address, 0);
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
            listener.Server.DualMode = true;
        listener.Start();
        return listener;
    }

    private async Task<Stream> ConnectAsync(IPAddress[] addresses) =>
        await AddressGuard.ConnectAsync(new DnsEndPoint("provider.example", Port), (_, _) => Task.FromResult(addresses), CancellationToken.None);

    private static Provider Tenants() => new() { Name = "own", Guarded = true, Routes = new RouteTable([]) };
}
