using System.Text;
using System.Text.Json;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Web.Proxy.Tests.Sandbox;

/// <summary>One sandbox with a bill in a temporary file, and a plain client for it.</summary>
public sealed class SandboxFixture : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sandbox-").FullName;

    private SandboxFixture()
    {
    }

    public SandboxServer Server { get; private set; } = null!;

    // Without the zeros a client that leaves first reads on for up to two seconds, in the hope of keeping the connection.
    public HttpClient Client { get; } = new(new SocketsHttpHandler { AllowAutoRedirect = false, MaxResponseDrainSize = 0, ResponseDrainTimeout = TimeSpan.Zero }) { Timeout = TimeSpan.FromSeconds(30) };

    public string BillPath => Path.Combine(_folder, "bill.jsonl");

    public static async Task<SandboxFixture> StartAsync(SandboxPace? pace = null, int remember = 0)
    {
        var fixture = new SandboxFixture();
        fixture.Server = await SandboxServer.StartNewAsync(new SandboxOptions { BillPath = fixture.BillPath, Pace = pace ?? SandboxPace.None, RememberRequests = remember });
        fixture.Client.BaseAddress = fixture.Server.BaseUrl;
        return fixture;
    }

    public Task<HttpResponseMessage> PostAsync(string path, string json, CancellationToken cancellationToken = default) =>
        Client.SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") }, HttpCompletionOption.ResponseHeadersRead, cancellationToken);

    public async Task<JsonElement> PostJsonAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        var body = await response.Content.ReadAsStringAsync();
        response.IsSuccessStatusCode.ShouldBeTrue(body);
        return JsonDocument.Parse(body).RootElement;
    }

    /// <summary>The data of every server-sent event but the end marker.</summary>
    public async Task<List<JsonElement>> PostSseAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        return [.. (await response.Content.ReadAsStringAsync()).Split('\n').Where(l => l.StartsWith("data: ") && l != "data: [DONE]").Select(l => JsonDocument.Parse(l[6..]).RootElement)];
    }

    /// <summary>The only call on the bill, once nothing is running.</summary>
    public async Task<SandboxBillLine> OnlyLineAsync() => (await LinesAsync()).ShouldHaveSingleItem();

    public async Task<IReadOnlyList<SandboxBillLine>> LinesAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await Server.WhenIdleAsync(patience.Token);
        return SandboxBill.Read(BillPath);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
