using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Npgsql;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>
/// Several proxies, a portal and a sandbox provider, each a process of its own, on one PostgreSQL and one Redis: what a large installation runs. The
/// sandbox outlives the proxies; its bill is the witness.
/// </summary>
internal sealed class Fleet : IAsyncDisposable
{
    public const int Customers = 4;

    private readonly TestFolder _folder = new();
    private readonly ProductProcess?[] _proxies;
    private readonly System.Text.StringBuilder _ended = new();
    private SandboxBillReader _bill = null!;
    private PostgresServer? _postgres;
    private bool _isOwn;
    private RedisServer? _redis;
    private ProductProcess? _portal;
    private ProductProcess? _sandbox;
    private string _token = "";

    private Fleet(int proxies) => _proxies = new ProductProcess?[proxies];

    public PostgresServer Postgres => _postgres!;

    public RedisServer Redis => _redis!;

    public string Database { get; private set; } = "";

    public string TenantId { get; private set; } = "";

    /// <summary>Metering keys of the test environment: the first of a team and a project, the second of none.</summary>
    public string[] Keys { get; } = new string[2];

    public string LiveKey { get; private set; } = "";

    public string[] KeyIds { get; } = new string[2];

    public HttpClient Client { get; } = new(new SocketsHttpHandler { MaxConnectionsPerServer = 2000, PooledConnectionIdleTimeout = TimeSpan.FromSeconds(1) }) { Timeout = TimeSpan.FromSeconds(60) };

    /// <summary>Why connections of <see cref="CallAsync"/> broke, oldest first: a fault that expects none tells them.</summary>
    public ConcurrentQueue<string> Broken { get; } = new();

    /// <summary>Null while a proxy is down.</summary>
    public IReadOnlyList<ProductProcess?> Proxies => _proxies;

    /// <summary>What the proxies logged, those that have ended included.</summary>
    public string Logs => $"{_ended}{string.Concat(_proxies.Select(p => p?.Output))}";

    public Dictionary<string, string> Settings { get; } = [];

    private string BillPath => Path.Combine(_folder.Path, "sandbox", "bill.jsonl");

    /// <summary>What the last refusal of each code said.</summary>
    public ConcurrentDictionary<string, string> RetryAfter { get; } = new();

    /// <param name="durable">The database survives being killed.</param>
    /// <param name="diskMegabytes">It has a disk of its own of that size; 0 for none.</param>
    public static async Task<Fleet> StartAsync(int proxies = 3, bool durable = false, int diskMegabytes = 0)
    {
        var fleet = new Fleet(proxies);
        try
        {
            await fleet.SetUpAsync(proxies, durable, diskMegabytes);
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    private async Task SetUpAsync(int proxies, bool durable, int diskMegabytes)
    {
        _isOwn = durable;
        _postgres = durable ? await PostgresServer.StartAsync(durable: true, diskMegabytes) : await PostgresServer.SharedAsync();
        _redis = await RedisServer.StartAsync();
        Database = await Postgres.CreateDatabaseAsync(migrated: false);
        Directory.CreateDirectory(Path.GetDirectoryName(BillPath)!);
        _sandbox = await ProductProcess.SandboxAsync(BillPath);
        _bill = new SandboxBillReader(BillPath);
        Settings["ConnectionStrings__Postgres"] = Database;
        Settings["ConnectionStrings__Redis"] = Redis.ConnectionString;
        Settings["Proxy__SandboxUrl"] = _sandbox.Url.ToString().TrimEnd('/');
        Settings["Budgets__Nodes"] = proxies.ToString(System.Globalization.CultureInfo.InvariantCulture);
        Settings["Budgets__IdleAfter"] = "00:00:00.500";
        Settings["DOTNET_TieredPGO"] = "0";
        foreach (var (name, value) in ProductProcess.AsProvider(_sandbox.Url, ProductProcess.SandboxPrices(Path.Combine(_folder.Path, "prices"), "openai"), "openai"))
            Settings[name] = value;

        var (exit, made, errors) = await ProductProcess.RunAsync(_folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-0123456789abcdef", "--json"], environment: Settings.Append(new("ConnectionStrings__Postgres", Database + ";Timeout=120;Command Timeout=120")));
        exit.ShouldBe(0, errors);
        var tenant = JsonDocument.Parse(made).RootElement;
        (TenantId, _token, LiveKey) = (tenant.GetProperty("tenant_id").GetString()!, tenant.GetProperty("api_token").GetString()!, tenant.GetProperty("metering_key").GetString()!);
        await ExecuteAsync(
            "INSERT INTO teams (tenant_id, id, name, created_at) VALUES (@tenant, 'team_a', 'a', 0); INSERT INTO projects (tenant_id, id, team_id, name, created_at) VALUES (@tenant, 'proj_a', 'team_a', 'a', 0)", TenantId);
        _portal = await ProductProcess.PortalAsync(_folder.Path, Settings);
        for (var i = 0; i < 2; i++)
        {
            var key = await ApiAsync(HttpMethod.Post, "keys", i == 0 ? new { name = "a", environment = "test", team_id = "team_a", project_id = "proj_a" } : new { name = "b", environment = "test" });
            (KeyIds[i], Keys[i]) = (key.GetProperty("id").GetString()!, key.GetProperty("key").GetString()!);
        }

        await Task.WhenAll(Enumerable.Range(0, proxies).Select(i => StartProxyAsync(i)));
    }

    public async Task StartProxyAsync(int index, params (string Name, string Value)[] settings) => _proxies[index] = await ProductProcess.ProxyAsync(
        _folder.Path, $"node-{index}", Settings.Concat(settings.Select(s => KeyValuePair.Create(s.Name, s.Value))));

    /// <summary>With so many file descriptors and no more.</summary>
    public async Task StartProxyAsync(int index, int descriptors) =>
        _proxies[index] = await ProductProcess.ProxyAsync(_folder.Path, $"node-{index}", Settings, under: ["prlimit", $"--nofile={descriptors}:{descriptors}"]);

    /// <summary>With SIGKILL.</summary>
    public async Task KillProxyAsync(int index)
    {
        var proxy = _proxies[index]!;
        _proxies[index] = null;
        await proxy.KillAsync();
        _ended.Append(proxy.Output);
        await proxy.DisposeAsync();
    }

    /// <summary>All in order: what they have is in the ledger then, and their leases are back.</summary>
    public async Task StopProxiesAsync()
    {
        for (var i = 0; i < _proxies.Length; i++)
            if (_proxies[i] is { } proxy)
            {
                _proxies[i] = null;
                (await proxy.TerminateAsync()).ShouldBe(0, $"{proxy.Data}: proxy {i}\n{proxy.Output}");
                _ended.Append(proxy.Output);
                await proxy.DisposeAsync();
            }
    }

    /// <summary>As a client does: what the database is away for is tried again.</summary>
    public async Task<JsonElement> ApiAsync(HttpMethod method, string path, object? body = null)
    {
        for (var tries = 1; ; tries++)
        {
            using var request = new HttpRequestMessage(method, new Uri(_portal!.Url, $"/api/v1/{path}")) { Content = body is null ? null : JsonContent.Create(body) };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
            using var answer = await Client.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            if ((int)answer.StatusCode == 503 && tries < 5)
            {
                text.ShouldContain("store_unavailable");
                await Task.Delay(answer.Headers.RetryAfter!.Delta!.Value);
                continue;
            }

            answer.IsSuccessStatusCode.ShouldBeTrue($"{method} {path}: {(int)answer.StatusCode} {text}\n{_portal!.Output}");
            return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
        }
    }

    public Task<(int Status, string Type)> ListBudgetsAsync() => AskAsync(HttpMethod.Get, "budgets");

    /// <summary>Once: the status, and the problem's type.</summary>
    public async Task<(int Status, string Type)> AskAsync(HttpMethod method, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(_portal!.Url, $"/api/v1/{path}")) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
        using var answer = await Client.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length > 0 && JsonDocument.Parse(text).RootElement.TryGetProperty("type", out var type) ? type.GetString()!.Split('/', ':')[^1] : "");
    }

    /// <summary>A month's strict budget of the test environment.</summary>
    public async Task<string> BudgetAsync(string usd, object scope) =>
        (await ApiAsync(HttpMethod.Post, "budgets", new { scope, period = "month", limit_usd = usd, environment = "test" })).GetProperty("id").GetString()!;

    /// <summary>
    /// One call whose model's name says on the bill who made it: it answers so many tokens that key and customer can be told from their number.
    /// </summary>
    /// <param name="key">Which of the keys; of another that <paramref name="secret"/> is, a number for the bill.</param>
    /// <returns>The status, and the refusal's code; 0 where the connection broke.</returns>
    public async Task<(int Status, string Code)> CallAsync(int proxy, int key, int customer, bool stream, int tokens, CancellationToken cancellationToken, int leaveAfterBytes = int.MaxValue, string behaviour = "", string? tag = null, string? secret = null)
    {
        if (_proxies[proxy] is not { } process)
            return (0, "");
        var name = $"call-{Guid.NewGuid():n}";
        var model = $"sandbox-small-{behaviour}tokens-{tokens + (key * 10) + customer}";
        var body = $$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hello"}],"max_tokens":{{tokens + 50}}{{(stream ? ",\"stream\":true" : "")}}}""";
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(process.Url, "/v1/chat/completions")) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", secret ?? Keys[key]);
        // The name goes to the provider's bill and into the ledger: so each call is found in both, whatever became of its answer.
        request.Headers.Add("X-Client-Request-Id", name);
        request.Headers.Add("X-Tokonomics-Tags", $"customer=c{customer},call={name}{(tag is null ? "" : "," + tag)}");
        try
        {
            using var answer = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (answer.IsSuccessStatusCode)
            {
                await using var content = await answer.Content.ReadAsStreamAsync(cancellationToken);
                var buffer = new byte[4096];
                for (int read; leaveAfterBytes > 0 && (read = await content.ReadAsync(buffer, cancellationToken)) > 0; leaveAfterBytes -= read)
                {
                }

                return (200, "");
            }

            var text = await answer.Content.ReadAsStringAsync(cancellationToken);
            var code = JsonDocument.Parse(text).RootElement.GetProperty("error").GetProperty("code").GetString() ?? "";
            RetryAfter[code] = answer.Headers.RetryAfter?.ToString() ?? "";
            return ((int)answer.StatusCode, code);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or JsonException)
        {
            if (!cancellationToken.IsCancellationRequested)
                Broken.Enqueue($"{DateTime.UtcNow:HH:mm:ss.fff} proxy {proxy} {name}: {e.GetBaseException().Message}");
            return (0, "");
        }
    }

    /// <summary>One call of the live environment, on which no budget is, to the provider whose key is stored sealed.</summary>
    public async Task<int> CallLiveAsync(int proxy, CancellationToken cancellationToken)
    {
        var name = $"live-{Guid.NewGuid():n}";
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_proxies[proxy]!.Url, "/proxy/openai/v1/chat/completions"))
        {
            Content = new StringContent("""{"model":"sandbox-small","messages":[{"role":"user","content":"Hello"}]}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", LiveKey);
        request.Headers.Add("X-Client-Request-Id", name);
        request.Headers.Add("X-Tokonomics-Tags", $"call={name}");
        using var answer = await Client.SendAsync(request, cancellationToken);
        await answer.Content.ReadAsByteArrayAsync(cancellationToken);
        return (int)answer.StatusCode;
    }

    public static bool IsLive(SandboxBillLine line) => line.ClientRequestId!.StartsWith("live-", StringComparison.Ordinal);

    /// <summary>An account for each budget, value and period.</summary>
    public Task<List<(string Budget, string Subject, long PeriodStart, long Limit, long Posted, long Leased)>> AccountsAsync() => ReadAsync(
        "SELECT budget_id, subject, period_start, limit_nano, posted_nano, leased_nano FROM budget_accounts", r => (r.GetString(0), r.GetString(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), r.GetInt64(5)));

    public async Task LimitAsync(string budget, long nano) =>
        await ApiAsync(HttpMethod.Put, $"budgets/{budget}", new { limit_usd = (nano / 1_000_000_000m).ToString(System.Globalization.CultureInfo.InvariantCulture) });

    /// <summary>All proxies anew, each with what it is given besides the fleet's settings.</summary>
    public async Task RestartProxiesAsync(Func<int, (string Name, string Value)[]>? settings = null)
    {
        await StopProxiesAsync();
        await Task.WhenAll(Enumerable.Range(0, _proxies.Length).Select(i => StartProxyAsync(i, settings?.Invoke(i) ?? [])));
    }

    public IReadOnlyList<SandboxBillLine> Bill() => [.. _bill.Read().Where(l => l.Dialect != "models")];

    /// <summary>Who made a call on the bill.</summary>
    public static (int Key, int Customer) MadeBy(SandboxBillLine line)
    {
        var tokens = int.Parse(line.Model!.AsSpan(line.Model!.LastIndexOf('-') + 1), System.Globalization.CultureInfo.InvariantCulture);
        return (tokens / 10 % 10, tokens % 10);
    }

    public static long Sum(IEnumerable<SandboxBillLine> lines) => lines.Sum(l => l.CostNanoUsd ?? 0);

    public async Task ExecuteAsync(string sql, string? tenant = null)
    {
        await using var source = NpgsqlDataSource.Create(Database + ";Pooling=false;Timeout=30;Command Timeout=60");
        await using var command = source.CreateCommand(sql.Replace("@tenant", $"'{tenant}'", StringComparison.Ordinal));
        await command.ExecuteNonQueryAsync();
    }

    public async Task<List<T>> ReadAsync<T>(string sql, Func<NpgsqlDataReader, T> read)
    {
        await using var source = NpgsqlDataSource.Create(Database + ";Pooling=false;Timeout=30;Command Timeout=60");
        await using var command = source.CreateCommand(sql);
        await using var row = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await row.ReadAsync())
            rows.Add(read(row));
        return rows;
    }

    /// <summary>Why a proxy with these settings doesn't start.</summary>
    public async Task<string> RefusedStartAsync()
    {
        var refused = await Should.ThrowAsync<InvalidOperationException>(async () =>
        {
            await using var started = await ProductProcess.ProxyAsync(_folder.Path, "node-new", Settings);
        });
        return refused.Message;
    }

    public string DataFolder => _folder.Path;

    public Task<(int ExitCode, string Output, string Errors)> RunAsync(params string[] arguments) => ProductProcess.RunAsync(_folder.Path, arguments, environment: Settings);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        foreach (var process in (ProductProcess?[])[.. _proxies, _portal, _sandbox])
            if (process is not null)
                await process.DisposeAsync();
        if (_redis is not null)
            await _redis.DisposeAsync();
        if (_postgres is { } own && _isOwn)
            await own.DisposeAsync();
        else if (Database.Length > 0)
            await Postgres.DropAsync(Database);
        _folder.Dispose();
    }
}
