using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Tokonomics.Testing.FakeStripe;

/// <summary>What a request got.</summary>
public sealed record FakeAnswer(int Status, string Json, IReadOnlyDictionary<string, string>? Headers = null);

/// <summary>A request as it came.</summary>
/// <param name="Form">The body's or the query's fields, names with brackets.</param>
public sealed record FakeCall(string Method, string Path, IReadOnlyDictionary<string, string> Form, string? OnceKey, string? Version);

/// <summary>How somebody pays at the checkout.</summary>
public enum Pays
{
    /// <summary>The card works.</summary>
    Now,

    /// <summary>A way to pay that takes days.</summary>
    Later,

    /// <summary>A coupon over the whole price: nothing is to be paid.</summary>
    Nothing,
}

/// <summary>
/// Stripe as far as a business needs it, with state: customers, products, prices, checkouts, subscriptions, invoices, events. It keeps what it is told, answers as
/// the API of the pinned version does, repeats what an idempotency key was answered before, and sends each change as an event, when and in which order the test says.
/// Where it is like Stripe is checked by Stripe's own libraries (tests/clients).
/// </summary>
public sealed partial class FakeStripe(TimeProvider? time = null)
{
    public const string Key = "sk_test_fake0000000000000000";

    public const string Secret = "whsec_fake00000000000000000000000000";

    public const string Version = "2026-10-28.endive";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, JsonObject> _objects = [];
    private readonly Dictionary<string, (string Request, FakeAnswer Answer)> _once = [];
    private readonly List<string> _order = [];
    private readonly ConcurrentQueue<FakeAnswer> _faults = [];
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private int _serial;

    /// <summary>Where it is reached over the network, for the addresses that it gives out.</summary>
    public Uri Url { get; internal set; } = new("http://stripe.invalid");

    /// <summary>Every request, in order.</summary>
    public ConcurrentQueue<FakeCall> Calls { get; } = [];

    /// <summary>Events that were not sent yet, in the order in which things happened.</summary>
    public ConcurrentQueue<JsonObject> Events { get; } = [];

    /// <summary>In every id, where several of these must not have the same ones.</summary>
    public string Mark { get; init; } = "";

    /// <summary>Put forward by tests: periods end, checkouts expire.</summary>
    public TimeSpan Ahead { get; set; }

    /// <summary>Nobody answers.</summary>
    public bool Down { get; set; }

    public DateTimeOffset Now => _time.GetUtcNow() + Ahead;

    /// <summary>The next request is answered so, whatever it is.</summary>
    public void FailNext(int status, string type, string code, IReadOnlyDictionary<string, string>? headers = null) =>
        _faults.Enqueue(new FakeAnswer(status, new JsonObject { ["error"] = new JsonObject { ["type"] = type, ["code"] = code, ["message"] = $"made to fail with {code}" } }.ToJsonString(), headers));

    /// <summary>The header of an event, as Stripe signs it.</summary>
    public static string Sign(string body, string secret, DateTimeOffset at)
    {
        var stamp = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return $"t={stamp},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"{stamp}.{body}")))}";
    }

    /// <summary>All of a kind, the newest first; ids begin with it.</summary>
    public IReadOnlyList<JsonObject> All(string prefix)
    {
        lock (_lock)
            return [.. Enumerable.Reverse(_order).Where(id => id.StartsWith(prefix, StringComparison.Ordinal)).Select(id => (JsonObject)_objects[id].DeepClone())];
    }

    public JsonObject Find(string id)
    {
        lock (_lock)
            return (JsonObject)_objects[id].DeepClone();
    }

    /// <summary>A price that is sold by its lookup key.</summary>
    public string AddPrice(string lookupKey, long cents, string product = "")
    {
        lock (_lock)
        {
            var made = Put("price", new JsonObject
            {
                ["object"] = "price",
                ["active"] = true,
                ["billing_scheme"] = "per_unit",
                ["currency"] = "usd",
                ["lookup_key"] = lookupKey,
                ["metadata"] = new JsonObject(),
                ["product"] = product.Length > 0 ? product : Put("prod", new JsonObject { ["object"] = "product", ["active"] = true, ["name"] = lookupKey, ["metadata"] = new JsonObject() })["id"]!.GetValue<string>(),
                ["recurring"] = new JsonObject { ["interval"] = "month", ["interval_count"] = 1, ["usage_type"] = "licensed" },
                ["type"] = "recurring",
                ["unit_amount"] = cents,
                ["unit_amount_decimal"] = cents.ToString(CultureInfo.InvariantCulture),
            });
            foreach (var before in _objects.Values.Where(o => Text(o, "object") == "price" && Text(o, "lookup_key") == lookupKey && Text(o, "id") != Text(made, "id")))
                before["lookup_key"] = null; // transfer_lookup_key
            return Text(made, "id")!;
        }
    }

    /// <summary>Answers one request.</summary>
    /// <param name="target">Path and query.</param>
    /// <exception cref="HttpRequestException">It is <see cref="Down"/>.</exception>
    public FakeAnswer Handle(string method, string target, string body, Func<string, string?> header)
    {
        var at = target.IndexOf('?', StringComparison.Ordinal);
        var (path, query) = at < 0 ? (target, "") : (target[..at], target[(at + 1)..]);
        var form = Read(method == "POST" ? body : query);
        var (onceKey, version) = (header("Idempotency-Key"), header("Stripe-Version"));
        Calls.Enqueue(new FakeCall(method, path, form, onceKey, version));
        if (Down)
            throw new HttpRequestException(HttpRequestError.ConnectionError, "nobody is there");
        lock (_lock)
        {
            if (_faults.TryDequeue(out var fault))
                return fault;
            if (header("Authorization") is not { } given || !(((given.StartsWith("Bearer sk_test_", StringComparison.Ordinal) || given.StartsWith("Bearer rk_test_", StringComparison.Ordinal)) && !given.Contains("revoked", StringComparison.Ordinal)) || given.StartsWith("Basic ", StringComparison.Ordinal)))
                return Error(401, "invalid_request_error", null, "Invalid API Key provided");
            if (method != "POST" || onceKey is null)
                return Answer(method, path, form);
            // A key is answered with what it was answered before; with another request it is a mistake.
            var request = $"{path} {string.Join('&', form.OrderBy(f => f.Key, StringComparer.Ordinal))}";
            if (_once.TryGetValue(onceKey, out var before))
                return before.Request == request
                    ? before.Answer with { Headers = new Dictionary<string, string> { ["Idempotent-Replayed"] = "true" } }
                    : Error(400, "idempotency_error", null, $"Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{onceKey}' if you meant to execute a different request.");
            var answer = Answer(method, path, form);
            if (answer.Status < 500)
                _once[onceKey] = (request, answer);
            return answer;
        }
    }

    /// <summary>An HTTP client whose requests come here without a network.</summary>
    public HttpClient Client() => new(new Direct(this)) { BaseAddress = new Uri("http://stripe.invalid") };

    private sealed class Direct(FakeStripe stripe) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
            var answer = stripe.Handle(request.Method.Method, request.RequestUri!.PathAndQuery, body, name => request.Headers.TryGetValues(name, out var values) ? values.First() : null);
            var response = new HttpResponseMessage((HttpStatusCode)answer.Status) { Content = new StringContent(answer.Json, Encoding.UTF8, "application/json"), RequestMessage = request };
            foreach (var (name, value) in answer.Headers ?? new Dictionary<string, string>())
                response.Headers.TryAddWithoutValidation(name, value);
            return response;
        }
    }

    private static Dictionary<string, string> Read(string text)
    {
        var form = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in text.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = pair.Split('=', 2);
            var name = WebUtility.UrlDecode(parts[0]);
            if (name.EndsWith("[]", StringComparison.Ordinal))
                name = $"{name[..^2]}[{form.Keys.Count(k => k.StartsWith(name[..^1], StringComparison.Ordinal))}]";
            form[name] = parts.Length == 2 ? WebUtility.UrlDecode(parts[1]) : "";
        }

        return form;
    }

    private JsonObject Put(string prefix, JsonObject made)
    {
        var id = $"{prefix}_{Mark}{++_serial:d6}";
        made.Insert(0, "id", id);
        made["created"] ??= Unix(Now);
        made["livemode"] ??= false;
        _objects[id] = made;
        _order.Add(id);
        return made;
    }

    private void Emit(string type, JsonObject about)
    {
        var e = Put("evt", new JsonObject { ["object"] = "event", ["api_version"] = Version, ["type"] = type, ["pending_webhooks"] = 1, ["request"] = new JsonObject { ["id"] = null, ["idempotency_key"] = null }, ["data"] = new JsonObject { ["object"] = about.DeepClone() } });
        Events.Enqueue((JsonObject)e.DeepClone());
    }

    private static FakeAnswer Ok(JsonNode body) => new(200, body.ToJsonString());

    private static FakeAnswer Error(int status, string type, string? code, string message, string? param = null)
    {
        var error = new JsonObject { ["type"] = type, ["message"] = message };
        if (code is not null)
            error["code"] = code;
        if (param is not null)
            error["param"] = param;
        return new FakeAnswer(status, new JsonObject { ["error"] = error }.ToJsonString(), new Dictionary<string, string> { ["Stripe-Should-Retry"] = "false" });
    }

    private static FakeAnswer Missing(string what, string id) => Error(404, "invalid_request_error", "resource_missing", $"No such {what}: '{id}'", "id");

    private static FakeAnswer List(string url, List<JsonObject> all, Dictionary<string, string> form)
    {
        var from = form.TryGetValue("starting_after", out var after) ? all.FindIndex(o => Text(o, "id") == after) + 1 : 0;
        var limit = form.TryGetValue("limit", out var most) ? int.Parse(most, CultureInfo.InvariantCulture) : 10;
        if (limit is < 1 or > 100)
            return Error(400, "invalid_request_error", "parameter_invalid_integer", "limit must be 1 to 100", "limit");
        return Ok(new JsonObject { ["object"] = "list", ["url"] = url, ["has_more"] = all.Count > from + limit, ["data"] = new JsonArray([.. all.Skip(from).Take(limit).Select(o => o.DeepClone())]) });
    }

    private static string? Text(JsonObject o, string name) => o[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static long Unix(DateTimeOffset at) => at.ToUnixTimeSeconds();

    private static JsonObject Metadata(Dictionary<string, string> form, string prefix = "metadata")
    {
        var metadata = new JsonObject();
        foreach (var (name, value) in form)
            if (name.StartsWith(prefix + "[", StringComparison.Ordinal))
                metadata[name[(prefix.Length + 1)..^1]] = value;
        return metadata;
    }
}
