using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Billing;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Infrastructure.Stripe;

/// <summary>
/// One request to Stripe's API, as often as Stripe says that asking again helps: its version pinned, forms with brackets, a key on every POST by which a
/// repetition is one and the same. Read from the API reference and tried with the official SDK, 2026-11-21.
/// </summary>
/// <param name="http">Its base address is the API's; it follows no redirect.</param>
public sealed class StripeClient(HttpClient http, string secretKey, TimeProvider time)
{
    /// <summary>Answers have the form of this version, whatever the account's own is.</summary>
    public const string Version = "2026-10-28.endive";

    /// <summary>Stripe's limit.</summary>
    public const int LongestKey = 255;

    private const int Retries = 3;

    private const int MostBytes = 16 * 1024 * 1024;

    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(500);

    // A person waits for the page: what takes longer is said to them.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    private static readonly string Agent = $"Tokonomics/{ProductVersion.Text}";

    public Task<JsonElement> GetAsync(string path, StripeForm query, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, query, null, cancellationToken);

    public Task<JsonElement> DeleteAsync(string path, StripeForm query, CancellationToken cancellationToken) => SendAsync(HttpMethod.Delete, path, query, null, cancellationToken);

    /// <param name="onceKey">What is being done, in 255 characters at most: the same is done once, for a day at least.</param>
    public Task<JsonElement> PostAsync(string path, StripeForm form, string onceKey, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(onceKey.Length, LongestKey, nameof(onceKey));
        ArgumentException.ThrowIfNullOrEmpty(onceKey);
        return SendAsync(HttpMethod.Post, path, form, onceKey, cancellationToken);
    }

    /// <summary>All pages of a list.</summary>
    /// <param name="most">More than that are not asked for.</param>
    public async Task<List<JsonElement>> ListAsync(string path, StripeForm query, int most, CancellationToken cancellationToken)
    {
        var all = new List<JsonElement>();
        while (true)
        {
            var page = await GetAsync(path, all.Count == 0 ? query : query.And("starting_after", all[^1].GetProperty("id").GetString()!), cancellationToken);
            var before = all.Count;
            all.AddRange(page.GetProperty("data").EnumerateArray());
            if (!page.GetProperty("has_more").GetBoolean() || all.Count == before || all.Count >= most)
                return all;
        }
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, StripeForm form, string? onceKey, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            var (answer, problem, wait) = await SendOnceAsync(method, path, form, onceKey, cancellationToken);
            if (problem is null)
                return answer;
            if (wait is null || attempt == Retries || wait > LongestWait)
                throw problem;
            // Half of it at least, the rest at random: many that were refused together don't come back together.
            var half = (int)(FirstWait.TotalMilliseconds * (1 << attempt) / 2);
            var backoff = TimeSpan.FromMilliseconds(half + RandomNumberGenerator.GetInt32(half + 1));
            await Task.Delay(wait > backoff ? wait.Value : backoff, time, cancellationToken);
        }
    }

    /// <returns>The answer; or why there is none, and then how long to wait at least before asking again, null where that doesn't help.</returns>
    private async Task<(JsonElement Answer, PaymentsException? Problem, TimeSpan? Wait)> SendOnceAsync(HttpMethod method, string path, StripeForm form, string? onceKey, CancellationToken cancellationToken)
    {
        var post = method == HttpMethod.Post;
        using var request = new HttpRequestMessage(method, new Uri(post || form.IsEmpty ? path : $"{path}?{form}", UriKind.Relative));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", secretKey);
        request.Headers.Add("Stripe-Version", Version);
        request.Headers.UserAgent.ParseAdd(Agent);
        if (onceKey is not null)
            request.Headers.Add("Idempotency-Key", onceKey);
        if (post)
            request.Content = new StringContent(form.ToString(), Encoding.ASCII, "application/x-www-form-urlencoded");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Timeout);
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            await response.Content.LoadIntoBufferAsync(MostBytes, limit.Token);
            var bytes = await response.Content.ReadAsByteArrayAsync(limit.Token);
            var id = response.Headers.TryGetValues("Request-Id", out var ids) ? ids.FirstOrDefault() : null;
            JsonElement body;
            try
            {
                using var document = JsonDocument.Parse(bytes);
                body = document.RootElement.Clone();
            }
            catch (JsonException)
            {
                body = default;
            }

            if (response.IsSuccessStatusCode && body.ValueKind == JsonValueKind.Object)
                return (body, null, null);
            return (default, Problem(response.StatusCode, body, id), Wait(response));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (default, new PaymentsException(PaymentsFault.Away, $"Stripe gave no answer within {Timeout.TotalSeconds} s."), TimeSpan.Zero);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return (default, new PaymentsException(PaymentsFault.Away, $"Stripe can't be reached: {(e as HttpRequestException)?.HttpRequestError.ToString() ?? e.GetType().Name}.", inner: e), TimeSpan.Zero);
        }
    }

    // Stripe's own word first; without it what its libraries do: conflicts, too many requests, and failures on its side.
    private static TimeSpan? Wait(HttpResponseMessage response)
    {
        var status = response.StatusCode;
        var again = response.Headers.TryGetValues("Stripe-Should-Retry", out var should) && should.FirstOrDefault() is "true" or "false"
            ? response.Headers.GetValues("Stripe-Should-Retry").First() == "true"
            : status is HttpStatusCode.Conflict or HttpStatusCode.TooManyRequests || (int)status >= 500;
        return !again ? null : response.Headers.RetryAfter?.Delta ?? TimeSpan.Zero;
    }

    private static PaymentsException Problem(HttpStatusCode status, JsonElement body, string? requestId)
    {
        var error = body.ValueKind == JsonValueKind.Object && body.TryGetProperty("error", out var found) && found.ValueKind == JsonValueKind.Object ? found : default;
        var (type, code, param) = (Text("type"), Text("code"), Text("param"));
        var fault = (int)status switch
        {
            401 or 403 => PaymentsFault.KeyRefused,
            402 => PaymentsFault.Declined,
            404 => PaymentsFault.NotFound,
            409 or 429 => PaymentsFault.Busy,
            >= 500 => PaymentsFault.Away,
            >= 200 and < 400 => PaymentsFault.Unreadable,
            _ when type == "card_error" => PaymentsFault.Declined,
            _ when code == "resource_missing" => PaymentsFault.NotFound,
            _ => PaymentsFault.Refused,
        };
        return new PaymentsException(fault, Text("message") ?? string.Create(CultureInfo.InvariantCulture, $"Stripe answered {(int)status} with a body that is none of its own."), code ?? type, param, requestId);

        string? Text(string name) => error.ValueKind == JsonValueKind.Object && error.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}

/// <summary>Parameters as Stripe takes them: names with brackets, in the order in which they were added. Immutable.</summary>
public sealed class StripeForm
{
    private readonly (string Name, string Value)[] _fields;

    private StripeForm((string, string)[] fields) => _fields = fields;

    public static StripeForm Empty { get; } = new([]);

    public bool IsEmpty => _fields.Length == 0;

    /// <param name="name">As on the wire: <c>line_items[0][price]</c>.</param>
    public StripeForm And(string name, string value) => new([.. _fields, (name, value)]);

    public StripeForm And(string name, bool value) => And(name, value ? "true" : "false");

    public StripeForm And(string name, long value) => And(name, value.ToString(CultureInfo.InvariantCulture));

    /// <summary><c>name[0]=…&amp;name[1]=…</c>.</summary>
    public StripeForm AndEach(string name, IEnumerable<string> values) => new([.. _fields, .. values.Select((v, i) => ($"{name}[{i.ToString(CultureInfo.InvariantCulture)}]", v))]);

    /// <summary>Encoded: brackets in names as they are, as Stripe's libraries send them.</summary>
    public override string ToString() => string.Join('&', _fields.Select(f => $"{Uri.EscapeDataString(f.Name).Replace("%5B", "[", StringComparison.Ordinal).Replace("%5D", "]", StringComparison.Ordinal)}={Uri.EscapeDataString(f.Value)}"));
}
