using System.Text;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>One constructed exchange: exact bytes in, a result out.</summary>
internal static class Wire
{
    public static RequestPeek Peek(string dialect, string body, bool inject = false, string? type = "application/json", bool pathStreams = false, ProviderQuirks quirks = 0) =>
        DialectCatalogue.Find(dialect)!.Peek(new(null, type, pathStreams, quirks, inject), Encoding.UTF8.GetBytes(body));

    public static MeteredResponse Meter(
        string dialect, string request, string response, string type = "application/json", int status = 200, bool whole = true,
        ProviderQuirks quirks = 0, bool pathStreams = false)
    {
        var d = DialectCatalogue.Find(dialect)!;
        var facts = new RequestFacts(null, "application/json", pathStreams, quirks, false);
        var peek = d.Peek(facts, Encoding.UTF8.GetBytes(request));
        peek.Problem.ShouldBeNull();
        var reader = d.Read(facts, peek, new(status, type));
        reader.Feed(Encoding.UTF8.GetBytes(response));
        return reader.Finish(whole);
    }

    /// <summary>Server-sent events from their data.</summary>
    public static string Events(params string[] data) => string.Concat(data.Select(d => $"data: {d}\n\n"));
}
