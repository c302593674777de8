using System.Net;
using System.Net.Sockets;
using System.Text;
using Tokonomics.Application.Providers;

namespace Tokonomics.Infrastructure.Providers;

/// <summary>
/// The connections to providers: one pool for those that the operator trusts and one, guarded, for endpoints that tenants added. Nothing
/// is decompressed, followed, remembered in cookies or traced on the way: bytes are relayed as they are.
/// </summary>
public sealed class UpstreamClients : IDisposable
{
    private readonly HttpMessageInvoker _trusted;
    private readonly HttpMessageInvoker _guarded;

    /// <param name="connectTimeout">To reach the provider and shake hands.</param>
    /// <param name="allowPrivateAddresses">The operator lets tenants name private addresses (a model server of their own).</param>
    /// <param name="resolve">DNS; replaced in tests of rebinding.</param>
    public UpstreamClients(TimeSpan connectTimeout, bool allowPrivateAddresses, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
    {
        resolve ??= Dns.GetHostAddressesAsync;
        _trusted = Invoker(connectTimeout, null);
        _guarded = Invoker(connectTimeout, allowPrivateAddresses ? null : (context, ct) => AddressGuard.ConnectAsync(context.DnsEndPoint, resolve, ct));
    }

    /// <param name="every">The way to all providers.</param>
    public UpstreamClients(HttpMessageInvoker every) => (_trusted, _guarded) = (every, every);

    public HttpMessageInvoker For(Provider provider) => provider.Guarded ? _guarded : _trusted;

    private static HttpMessageInvoker Invoker(TimeSpan connectTimeout, Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>>? connect) =>
        new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
            ActivityHeadersPropagator = null,
            ConnectTimeout = connectTimeout,
            // Finds DNS changes of a provider within minutes; a request in flight keeps its connection.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60),
            MaxResponseHeadersLength = 64,
            // After the client has left, nothing more is read from the provider to save its connection.
            MaxResponseDrainSize = 0,
            // Header bytes beyond ASCII pass as they are, in both directions.
            RequestHeaderEncodingSelector = (_, _) => Encoding.Latin1,
            ResponseHeaderEncodingSelector = (_, _) => Encoding.Latin1,
            ConnectCallback = connect ?? ConnectAsync,
        });

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _trusted.Dispose();
        _guarded.Dispose();
    }
}
