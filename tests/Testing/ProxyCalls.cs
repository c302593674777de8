using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Tokonomics.Testing;

/// <summary>Calls as clients make them.</summary>
public static class ProxyCalls
{
    /// <summary>Posts JSON through the proxy with a metering key as a bearer token; the answer's headers have arrived, its body may not.</summary>
    public static Task<HttpResponseMessage> PostAsync(this TestProduct product, string path, string body, string? key = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product.Url, path)) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key ?? product.TestKey);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>A plain chat call through a process.</summary>
    /// <returns>Its status.</returns>
    public static async Task<HttpStatusCode> CallAsync(Uri url, string key)
    {
        using var client = new HttpClient { BaseAddress = url, DefaultRequestHeaders = { { "Authorization", $"Bearer {key}" } } };
        using var answer = await client.PostAsync("/proxy/openai/v1/chat/completions", new StringContent(Chat(), Encoding.UTF8, "application/json"));
        return answer.StatusCode;
    }

    public static string RequestId(this HttpResponseMessage answer) => answer.Headers.GetValues("x-tokonomics-request-id").Single();

    /// <summary>A chat request to the sandbox.</summary>
    public static string Chat(string model = "sandbox-small", bool stream = false, string prompt = "Hello", string more = "") =>
        $$"""{"model":"{{model}}","messages":[{"role":"user","content":"{{prompt}}"}]{{(stream ? ",\"stream\":true" : "")}}{{more}}}""";
}
