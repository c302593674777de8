using System.ClientModel;
using System.ClientModel.Primitives;
using System.Diagnostics;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using Tokonomics.Testing;
using TokonomicsFailOpen;

namespace Tokonomics.Standalone.Tests.FailOpen;

/// <summary>An application with one of the recipes of docs/fail-open.</summary>
internal interface IRecipeClient : IAsyncDisposable
{
    /// <returns>The answer's text; or the status that the SDK failed with, 0 where it had none.</returns>
    /// <param name="begun">Told when the stream's first piece is there.</param>
    Task<(string? Text, int Failed)> AskAsync(string prompt, bool stream = false, string? tags = null, TaskCompletionSource? begun = null);

    Task FlushAsync();
}

internal static class RecipeClients
{
    public static IRecipeClient Start(string language, Uri proxy, Uri direct, string key) => language switch
    {
        "node" => new ProcessClient("node", [Path.Combine(TestFolder.Root, "tests/clients/fail-open.mjs")], proxy, direct, key),
        // Debian's own: another one on the path lacks Debian's packages.
        "python" => new ProcessClient("/usr/bin/python3", ["-B", Path.Combine(TestFolder.Root, "tests/clients/python/fail_open_calls.py")], proxy, direct, key),
        "go" => new ProcessClient(OfGo.Value, [], proxy, direct, key),
        _ => new NetClient(proxy, direct, key),
    };

    // Once for all tests: the recipe and a program that calls through it, vetted and compiled by Debian's Go. It lies among the tests' own files and is made anew by each run.
    private static readonly Lazy<string> OfGo = new(() =>
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "fail-open-go");
        Directory.CreateDirectory(Path.Combine(folder, "failopen"));
        File.Copy(Path.Combine(TestFolder.Root, "docs/fail-open/go/failopen.go"), Path.Combine(folder, "failopen/failopen.go"), overwrite: true);
        File.Copy(Path.Combine(TestFolder.Root, "tests/clients/go/main.go"), Path.Combine(folder, "main.go"), overwrite: true);
        File.WriteAllText(Path.Combine(folder, "go.mod"), "module application\n\ngo 1.19\n");
        var start = new ProcessStartInfo("sh", ["-c", "go vet ./... && test -z \"$(gofmt -l .)\" && go build -o application ."]) { WorkingDirectory = folder, RedirectStandardError = true };
        start.Environment["GOPROXY"] = "off";
        start.Environment["GOFLAGS"] = "-buildvcs=false";
        using var build = Process.Start(start)!;
        var said = build.StandardError.ReadToEnd();
        build.WaitForExit();
        return build.ExitCode == 0 ? Path.Combine(folder, "application") : throw new InvalidOperationException($"the recipe in Go isn't in order: {said}");
    });

    private static string Trim(Uri url) => url.ToString().TrimEnd('/');

    private sealed class ProcessClient : IRecipeClient
    {
        private readonly Process _process;

        public ProcessClient(string program, string[] arguments, Uri proxy, Uri direct, string key)
        {
            if (program == "node" && !Directory.Exists(Path.Combine(TestFolder.Root, "tests/clients/node_modules/openai")))
                throw new InvalidOperationException("this test needs the packages of tests/clients: npm ci --prefix tests/clients");
            _process = Process.Start(new ProcessStartInfo(program, [.. arguments, Trim(proxy), Trim(direct) + "/v1", key]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        }

        public async Task<(string? Text, int Failed)> AskAsync(string prompt, bool stream, string? tags, TaskCompletionSource? begun)
        {
            await SayAsync(new { prompt, stream, tags = tags ?? "", tell = begun is not null });
            var said = await HearAsync();
            if (said.TryGetProperty("begun", out _))
            {
                begun!.SetResult();
                said = await HearAsync();
            }

            return said.TryGetProperty("text", out var text) ? (text.GetString(), 0) : (null, said.GetProperty("failed").GetInt32());
        }

        public async Task FlushAsync()
        {
            await SayAsync(new { flush = true });
            (await HearAsync()).GetProperty("flushed").GetBoolean().ShouldBeTrue();
        }

        private Task SayAsync(object line) => _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(line));

        private async Task<JsonElement> HearAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            var line = await _process.StandardOutput.ReadLineAsync(limit.Token);
            return line is not null ? JsonDocument.Parse(line).RootElement : throw new InvalidOperationException($"it ended: {await _process.StandardError.ReadToEndAsync(limit.Token)}");
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
            _process.Dispose();
        }
    }

    // OpenAI's own SDK for .NET.
    private sealed class NetClient(Uri proxy, Uri direct, string key) : IRecipeClient
    {
        private readonly FailOpenHandler _handler = new(proxy, "/proxy/openai/v1", new Uri(direct, "/v1"), key, ("Authorization", "Bearer sk-own"), TimeSpan.FromSeconds(0.5));
        private ChatClient? _chat;

        public async Task<(string? Text, int Failed)> AskAsync(string prompt, bool stream, string? tags, TaskCompletionSource? begun)
        {
            _chat ??= new ChatClient("gpt-5.1", new ApiKeyCredential(key), new OpenAIClientOptions
            {
                Endpoint = new Uri(proxy, "/proxy/openai/v1"),
                Transport = new HttpClientPipelineTransport(new HttpClient(_handler)),
                RetryPolicy = new ClientRetryPolicy(0),
                NetworkTimeout = TimeSpan.FromMinutes(1),
            });
            try
            {
                if (tags is not null)
                {
                    var headed = new RequestOptions();
                    headed.AddHeader("X-Tokonomics-Tags", tags);
                    var raw = await _chat.CompleteChatAsync(BinaryContent.Create(BinaryData.FromString(ProxyCalls.Chat("gpt-5.1", prompt: prompt))), headed);
                    return (((ChatCompletion)raw).Content[0].Text, 0);
                }

                if (!stream)
                    return ((await _chat.CompleteChatAsync([new UserChatMessage(prompt)])).Value.Content[0].Text, 0);
                var text = "";
                await foreach (var piece in _chat.CompleteChatStreamingAsync([new UserChatMessage(prompt)]))
                {
                    text += string.Concat(piece.ContentUpdate.Select(c => c.Text));
                    begun?.TrySetResult();
                }

                return (text, 0);
            }
            catch (ClientResultException e)
            {
                return (null, e.Status);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or AggregateException)
            {
                return (null, 0);
            }
        }

        public Task FlushAsync() => _handler.FlushAsync(new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token);

        public ValueTask DisposeAsync()
        {
            _handler.Dispose();
            return default;
        }
    }
}
