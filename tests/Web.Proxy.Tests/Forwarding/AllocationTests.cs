using System.Diagnostics.Metrics;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;
using Tokonomics.Web.Proxy.Telemetry;
using Tokonomics.Web.Proxy.Tests.Faults;

namespace Tokonomics.Web.Proxy.Tests.Forwarding;

/// <summary>
/// What a call allocates on the thread that serves it, with five budgets and a rate limit: without a server and a network, so that it is the same in each run. What of it
/// isn't the proxy's (the request, the answer, the message to the provider and its headers) is measured by itself and taken off. Alone, since a tracer that another test has started hears
/// of every product's calls in this process, and makes a span of each.
/// </summary>
[Collection(nameof(Alone))]
public sealed class AllocationTests(ITestOutputHelper output)
{
    private const int Calls = 200;

    private static readonly byte[] Answer = Encoding.UTF8.GetBytes(
        """{"id":"chatcmpl-1","object":"chat.completion","created":1795000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"""
        + '"' + new string('x', 700) + '"' + """},"finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":50,"total_tokens":170}}""");

    private static readonly byte[] Request = """{"model":"gpt-4o-mini","max_tokens":500,"messages":[{"role":"user","content":"Tell me something."}]}"""u8.ToArray();

    private static readonly byte[] Streaming = """{"model":"gpt-4o-mini","max_tokens":500,"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Tell me something."}]}"""u8.ToArray();

    /// <param name="watched">All of the product's instruments are listened to, as by an exporter.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_plain_call_allocates_little(bool watched)
    {
        var provider = new Canned { Body = () => new MemoryStream(Answer, writable: false) };
        await using var product = await StartAsync(provider);
        using var listener = watched ? new Listener(product) : null;
        var forwarder = product.Services.GetRequiredService<Forwarder>();
        long whole = 0, frame = 0;
        for (var round = 0; round < 3; round++)
        {
            whole = Measure(() => forwarder.HandleAsync(Context(product, Request), new ProxyTarget("openai", "v1/chat/completions", "")));
            frame = Measure(() => FrameAsync(Context(product, Request), provider));
        }

        output.WriteLine($"{(whole - frame) / Calls} bytes a call, and {frame / Calls} of request, answer and message");
        provider.Status.ShouldBe(0);
        ((whole - frame) / Calls).ShouldBeLessThan(PerCall);
        // Three rounds of 220 calls, of which each tells its duration, its overhead, its cost and its tokens in and out.
        listener?.Heard.ShouldBe(3 * 220 * 5);
    }

    [Fact]
    public async Task A_relayed_event_allocates_nothing()
    {
        var provider = new Canned { Type = "text/event-stream" };
        await using var product = await StartAsync(provider);
        var forwarder = product.Services.GetRequiredService<Forwarder>();
        long Of(int events)
        {
            provider.Body = () => new Events(events);
            return Measure(() => forwarder.HandleAsync(Context(product, Streaming), new ProxyTarget("openai", "v1/chat/completions", "")));
        }

        long few = 0, many = 0;
        for (var round = 0; round < 3; round++)
            (few, many) = (Of(20), Of(220));
        output.WriteLine($"{(many - few) / (double)(Calls * 200):f2} bytes an event");
        provider.Status.ShouldBe(0);
        ((many - few) / (Calls * 200)).ShouldBe(0);
    }

    // With what the ledger keeps of it, an event of some 600 bytes with its texts. Measured on 2026-11-30: 6,000; 10,600 with objects for the states of asynchronous calls.
    private const int PerCall = 6400;

    private static long Measure(Func<Task> call)
    {
        for (var i = 0; i < 20; i++)
            Done(call());
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Calls; i++)
            Done(call());
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    // Nothing that is waited for: otherwise another thread allocates, unseen.
    private static void Done(Task call)
    {
        call.IsCompleted.ShouldBeTrue();
        call.GetAwaiter().GetResult();
    }

    private static DefaultHttpContext Context(TestProduct product, byte[] body)
    {
        var context = new DefaultHttpContext { RequestServices = product.Services };
        var request = context.Request;
        (request.Method, request.ContentType, request.ContentLength, request.Body) = ("POST", "application/json", body.Length, new MemoryStream(body, writable: false));
        request.Headers.Authorization = "Bearer " + product.LiveKey;
        request.Headers["X-Tokonomics-Tags"] = "customer=acme";
        context.Features.Get<IHttpRequestFeature>()!.RawTarget = "/proxy/openai/v1/chat/completions";
        return context;
    }

    // The same request read, sent on with its headers and answered, and nothing else.
    private static async Task FrameAsync(DefaultHttpContext context, Canned provider)
    {
        var read = await context.Request.BodyReader.ReadAsync();
        context.Request.BodyReader.AdvanceTo(read.Buffer.End);
        using var message = new HttpRequestMessage(HttpMethod.Post, Address) { Content = new ByteArrayContent(Request) };
        message.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        message.Headers.TryAddWithoutValidation("Authorization", "Bearer secret-of-openai");
        using var answer = provider.Answer(message);
        foreach (var (name, values) in answer.Headers.NonValidated)
            context.Response.Headers[name] = values.ToString();
        foreach (var (name, values) in answer.Content.Headers.NonValidated)
            context.Response.Headers[name] = values.ToString();
        await using var body = await answer.Content.ReadAsStreamAsync();
        var memory = context.Response.BodyWriter.GetMemory(16 * 1024);
        context.Response.BodyWriter.Advance(await body.ReadAsync(memory));
        await context.Response.BodyWriter.FlushAsync();
    }

    private static readonly Uri Address = new("http://127.0.0.1:9/v1/chat/completions");

    private static async Task<TestProduct> StartAsync(Canned provider)
    {
        var product = await TestProduct.StartAsync(
            [new("Providers:openai:BaseUrl", "http://127.0.0.1:9/")], new Dictionary<string, string> { ["openai"] = "secret-of-openai" },
            services => services.AddSingleton(new UpstreamClients(new HttpMessageInvoker(provider))));
        foreach (var budget in new[] { """{"type":"tenant"},"period":"month" """, """{"type":"tenant"},"period":"day" """, """{"type":"tenant"},"period":"week" """, """{"type":"tenant"},"period":"total" """, """{"type":"tag","key":"customer"},"period":"month" """ })
            (await product.ApiAsync(HttpMethod.Post, "budgets", Json($$"""{"scope":{{budget}},"limit_usd":"1000000"}"""))).EnsureSuccessStatusCode();
        (await product.ApiAsync(HttpMethod.Put, "limits", Json("""{"requests_per_minute":1000000000}"""))).EnsureSuccessStatusCode();
        // Until the budgets are known and a lease is here: the first calls wait for it.
        var forwarder = product.Services.GetRequiredService<Forwarder>();
        for (var (inTurn, tries) = (0, 0); inTurn < 50; tries++)
        {
            tries.ShouldBeLessThan(2000);
            var call = forwarder.HandleAsync(Context(product, Request), new ProxyTarget("openai", "v1/chat/completions", ""));
            inTurn = call.IsCompleted ? inTurn + 1 : 0;
            await call;
            if (tries < 100)
                await Task.Delay(10);
        }

        return product;

        static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
    }

    private sealed class Listener : IDisposable
    {
        private readonly MeterListener _listener = new();

        public Listener(TestProduct product)
        {
            var factory = product.Services.GetRequiredService<IMeterFactory>();
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                // Of this product: other tests have theirs.
                if (instrument.Meter.Name == CallMetrics.MeterName && instrument.Meter.Scope == factory)
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, _, _, _) => Heard++);
            _listener.SetMeasurementEventCallback<double>((_, _, _, _) => Heard++);
            _listener.Start();
        }

        public int Heard { get; private set; }

        public void Dispose() => _listener.Dispose();
    }

    private sealed class Canned : HttpMessageHandler
    {
        public Func<Stream> Body { get; set; } = () => Stream.Null;

        public string Type { get; init; } = "application/json";

        /// <summary>The last request's that could not be read; 0.</summary>
        public int Status { get; private set; }

        public HttpResponseMessage Answer(HttpRequestMessage request)
        {
            var answer = new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(Body()), RequestMessage = request };
            answer.Content.Headers.TryAddWithoutValidation("Content-Type", Type);
            answer.Headers.TryAddWithoutValidation("x-request-id", "req_1");
            return answer;
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.Headers.NonValidated["Authorization"].ToString() != "Bearer secret-of-openai")
                Status = 401;
            return Task.FromResult(Answer(request));
        }
    }

    /// <summary>An event for each read.</summary>
    private sealed class Events(int count) : MemoryStream
    {
        private static readonly byte[] One = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}],\"usage\":null}\n\n"u8.ToArray();

        private static readonly byte[] Last = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":50,\"total_tokens\":170}}\n\ndata: [DONE]\n\n"u8.ToArray();

        private int _sent;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.IsEmpty)
                return new ValueTask<int>(0); // asked whether there is something
            if (_sent++ > count)
                return new ValueTask<int>(0);
            var next = _sent > count ? Last : One;
            next.CopyTo(buffer);
            return new ValueTask<int>(next.Length);
        }
    }
}
