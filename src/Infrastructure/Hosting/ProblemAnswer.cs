using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>RFC 9457, for what is answered before any endpoint is found: everywhere but on the paths of providers. The type is stable: programs branch on it.</summary>
public static class ProblemAnswer
{
    // For people to read; nothing of it is ever in a page.
    private static readonly JsonWriterOptions Plainly = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="code">Stable, for programs: <c>tls_required</c>.</param>
    /// <param name="wrong">The field of the request that is wrong, and how to mend it; null where it is none.</param>
    public static async Task WriteAsync(HttpContext context, int status, string code, string detail, (string Field, string Problem)? wrong = null)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/problem+json; charset=utf-8";
        using var json = new Utf8JsonWriter(context.Response.BodyWriter, Plainly);
        json.WriteStartObject();
        json.WriteString("type", "urn:tokonomics:problem:" + code);
        json.WriteString("title", code);
        json.WriteNumber("status", status);
        json.WriteString("detail", detail);
        if (wrong is var (field, problem))
        {
            json.WriteStartObject("errors");
            json.WriteStartArray(field);
            json.WriteStringValue(problem);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }
}
