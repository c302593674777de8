using Tokonomics.Application.Dialects;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>What a call's body says of it, read once its route is known, and again where its provider is another.</summary>
internal static class CallPeek
{
    /// <returns>Null where the body is well; otherwise what is wrong with it.</returns>
    public static string? Problem(ProxyCall call, ReadOnlyMemory<byte> body, string? contentType = "application/json")
    {
        Expect(call, contentType);
        call.Peek = call.Dialect!.Peek(call.Facts, (call.Translation?.Request.Body ?? body).Span);
        call.RequestModel ??= call.Peek.Model ?? call.Match!.PathModel;
        return call.Peek.Problem;
    }

    /// <summary>What the route alone says, for a call whose body isn't known.</summary>
    public static void WithoutBody(ProxyCall call, string? contentType)
    {
        Expect(call, contentType);
        call.RequestModel = call.Match!.PathModel;
    }

    private static void Expect(ProxyCall call, string? contentType)
    {
        var match = call.Match!;
        call.Dialect = DialectCatalogue.Find(match.Route.Dialect);
        call.Facts = RequestFacts.Of(match, call.Provider, contentType);
    }
}
