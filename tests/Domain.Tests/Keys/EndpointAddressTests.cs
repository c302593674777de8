using System.Net;
using Tokonomics.Domain.Keys;

namespace Tokonomics.Tests.Keys;

public sealed class EndpointAddressTests
{
    [Theory]
    [InlineData("https://llm.example.com")]
    [InlineData("https://llm.example.com/")]
    [InlineData("https://llm.example.com:8443/openai/v1")]
    [InlineData("https://8.8.8.8/v1")]
    [InlineData("https://[2606:4700:4700::1111]/v1")]
    [InlineData("https://xn--bcher-kva.example/v1")]
    public void Public_addresses_are_allowed(string url) => EndpointAddress.Problem(url, false).ShouldBeNull();

    [Theory]
    [InlineData("")]
    [InlineData("llm.example.com")]
    [InlineData("http://llm.example.com")]
    [InlineData("ftp://llm.example.com")]
    [InlineData("file:///etc/passwd")]
    [InlineData("https://")]
    [InlineData("https://user@llm.example.com")]
    [InlineData("https://user:pass@llm.example.com")]
    [InlineData("https://llm.example.com@127.0.0.1/")]
    [InlineData("https://llm.example.com/v1?x=1")]
    [InlineData("https://llm.example.com/v1#x")]
    [InlineData("https://llm.example.com/?")]
    [InlineData("https://llm.example.com/a/../b")]
    [InlineData("https://llm.example.com/a/%2e%2e/b")]
    [InlineData("https://llm.example.com//b")]
    [InlineData("https://llm.example.com\\@evil.example")]
    [InlineData("https://llm.example.com/a b")]
    [InlineData("https://llm.example.com/\r\nX: y")]
    [InlineData(" https://llm.example.com")]
    [InlineData("https://llm.example.com\t")]
    [InlineData("https://bücher.example")]
    [InlineData("https://１２７.0.0.1")]
    [InlineData("https://localhost")]
    [InlineData("https://localhost.")]
    [InlineData("https://LOCALHOST:8080")]
    [InlineData("https://a.localhost")]
    [InlineData("https://printer.local")]
    [InlineData("https://metadata.google.internal")]
    [InlineData("https://redis")]
    [InlineData("https://127.0.0.1")]
    [InlineData("https://127.1")]
    [InlineData("https://127.0.1")]
    [InlineData("https://0")]
    [InlineData("https://0.0.0.0")]
    [InlineData("https://2130706433")]
    [InlineData("https://0x7f000001")]
    [InlineData("https://0x7f.0.0.1")]
    [InlineData("https://0177.0.0.1")]
    [InlineData("https://017700000001")]
    [InlineData("https://127.0.0.01")]
    [InlineData("https://134744072")] // 8.8.8.8, but not as it is printed
    [InlineData("https://1.2.3.4.5")]
    [InlineData("https://256.256.256.256")]
    [InlineData("https://example.0x7f")]
    [InlineData("https://10.0.0.1")]
    [InlineData("https://172.16.0.1")]
    [InlineData("https://172.31.255.255")]
    [InlineData("https://192.168.1.1")]
    [InlineData("https://169.254.169.254")]
    [InlineData("https://100.64.0.1")]
    [InlineData("https://192.0.0.1")]
    [InlineData("https://192.0.2.1")]
    [InlineData("https://198.18.0.1")]
    [InlineData("https://198.51.100.1")]
    [InlineData("https://203.0.113.1")]
    [InlineData("https://224.0.0.1")]
    [InlineData("https://240.0.0.1")]
    [InlineData("https://255.255.255.255")]
    [InlineData("https://[::1]")]
    [InlineData("https://[::]")]
    [InlineData("https://[::ffff:127.0.0.1]")]
    [InlineData("https://[::ffff:7f00:1]")]
    [InlineData("https://[::127.0.0.1]")]
    [InlineData("https://[64:ff9b::7f00:1]")]
    [InlineData("https://[64:ff9b:1::1]")]
    [InlineData("https://[2002:7f00:1::]")]
    [InlineData("https://[2001:0:1::]")]
    [InlineData("https://[2001:db8::1]")]
    [InlineData("https://[fe80::1]")]
    [InlineData("https://[fe80::1%25eth0]")]
    [InlineData("https://[fc00::1]")]
    [InlineData("https://[fd00::1]")]
    [InlineData("https://[fec0::1]")]
    [InlineData("https://[ff02::1]")]
    [InlineData("https://[100::1]")]
    [InlineData("https://[5f00::1]")]
    public void Everything_else_is_refused(string url) => EndpointAddress.Problem(url, false).ShouldNotBeNull();

    [Theory]
    [InlineData("http://localhost:11434", true)]
    [InlineData("https://10.0.0.1/v1", true)]
    [InlineData("http://user@localhost", false)]
    [InlineData("http://localhost/?x", false)]
    public void An_operator_may_allow_the_private_network_but_not_the_rest(string url, bool allowed) => (EndpointAddress.Problem(url, true) is null).ShouldBe(allowed);

    [Theory]
    [InlineData("192.1.0.0", true)]
    [InlineData("192.0.1.1", true)]
    [InlineData("172.15.0.1", true)]
    [InlineData("172.32.0.1", true)]
    [InlineData("100.63.0.1", true)]
    [InlineData("100.128.0.1", true)]
    [InlineData("198.17.0.1", true)]
    [InlineData("198.20.0.1", true)]
    [InlineData("192.31.195.1", true)]
    [InlineData("192.31.197.1", true)]
    [InlineData("192.175.47.1", true)]
    [InlineData("2000::1", true)]
    [InlineData("2003::1", true)]
    [InlineData("2001:200::1", true)]
    [InlineData("::ffff:8.8.8.8", true)]
    public void The_neighbours_of_reserved_ranges_are_public(string address, bool isPublic) => EndpointAddress.IsPublic(IPAddress.Parse(address)).ShouldBe(isPublic);

    [Theory]
    [InlineData("64:ff9b::808:808")] // NAT64 of 8.8.8.8
    [InlineData("2002:808:808::1")] // 6to4 of 8.8.8.8
    [InlineData("192.31.196.1")] // AS112
    [InlineData("192.52.193.1")] // AMT
    [InlineData("192.175.48.1")] // AS112, direct delegation
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("1fff::1")]
    [InlineData("4000::1")]
    public void What_only_carries_a_public_address_or_is_set_aside_is_not_public(string address)
    {
        EndpointAddress.IsPublic(IPAddress.Parse(address)).ShouldBeFalse();
        EndpointAddress.Problem(address.Contains(':', StringComparison.Ordinal) ? $"https://[{address}]/v1" : $"https://{address}/v1", allowPrivate: false).ShouldNotBeNull();
    }
}
