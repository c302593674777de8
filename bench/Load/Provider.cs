using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Tokonomics.Bench.Load;

/// <summary>
/// A provider of chats that reads its requests whole and, where the field <c>user</c> says <c>events=50 gap_us=10000</c>, streams so many events at that pace, each with the
/// time when it was sent; otherwise it answers 1 kB. nginx with a file is quicker, and can't wait between two events.
/// </summary>
internal static partial class Provider
{
    private const string Open = """data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1795000000,"model":"bench","choices":[{"index":0,"delta":{""";

    private static readonly byte[] Plain = Encoding.UTF8.GetBytes(
        """{"id":"chatcmpl-bench","object":"chat.completion","created":1795000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"WORDS"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":50,"total_tokens":170}}"""
            .Replace("WORDS", string.Concat(Enumerable.Repeat("word ", 150)), StringComparison.Ordinal));

    private static readonly byte[] Close = Encoding.UTF8.GetBytes(
        Open + """},"finish_reason":"stop"}],"usage":null}""" + "\n\n"
        + """data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1795000000,"model":"bench","choices":[],"usage":{"prompt_tokens":120,"completion_tokens":50,"total_tokens":170}}""" + "\n\ndata: [DONE]\n\n");

    /// <summary>What stands before an event's time.</summary>
    public static ReadOnlySpan<byte> TimeMark => "\"content\":\" "u8;

    public static async Task RunAsync(Arguments arguments)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{arguments.Text("port")}").ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(10);
        });
        var app = builder.Build();
        app.Run(AnswerAsync);
        await app.RunAsync();
    }

    private static async Task AnswerAsync(HttpContext context)
    {
        using var body = new MemoryStream((int)Math.Max(context.Request.ContentLength ?? 0, 4096));
        await context.Request.Body.CopyToAsync(body);
        var (events, gap) = Asked(body.GetBuffer().AsSpan(0, (int)body.Length));
        if (events == 0)
        {
            context.Response.ContentType = "application/json";
            context.Response.ContentLength = Plain.Length;
            await context.Response.Body.WriteAsync(Plain);
            return;
        }

        context.Response.ContentType = "text/event-stream";
        context.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        var due = Clock.Now;
        try
        {
            for (var i = 0; i < events; i++)
            {
                if (i > 0 && (due += gap) - Clock.Now is > 0 and var wait)
                    await Task.Delay(TimeSpan.FromMicroseconds(wait / 1000.0), context.RequestAborted);
                var sent = string.Create(CultureInfo.InvariantCulture, $"{Open}{(i == 0 ? "\"role\":\"assistant\"," : "")}\"content\":\" {Clock.Now}\"}},\"finish_reason\":null}}],\"usage\":null}}\n\n");
                await context.Response.WriteAsync(sent, context.RequestAborted);
            }

            await context.Response.Body.WriteAsync(Close);
        }
        catch (OperationCanceledException)
        {
            // Whoever asked has left.
        }
    }

    // Looked for in the first and last 8 kB: a relay may put the field elsewhere, and a prompt of 1 MB isn't searched.
    private static (int Events, long GapNanoseconds) Asked(ReadOnlySpan<byte> body)
    {
        const int near = 8192;
        var text = Encoding.UTF8.GetString(body.Length <= 2 * near ? body : [.. body[..near], .. body[^near..]]);
        var asked = Pace().Match(text);
        return asked.Success ? (int.Parse(asked.Groups[1].ValueSpan, CultureInfo.InvariantCulture), long.Parse(asked.Groups[2].ValueSpan, CultureInfo.InvariantCulture) * 1000) : (0, 0);
    }

    [GeneratedRegex("events=([0-9]+) gap_us=([0-9]+)")]
    private static partial Regex Pace();
}
