using System.Text.Json;
using Tokonomics.Testing;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Standalone.Tests.Docs;

/// <summary>Calls on the pages, as they stand there but for address, keys and ids, to a product that serves.</summary>
public sealed class CallBlockTests : IDisposable
{
    private const string There = "http://localhost:8080";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Runs("README.md", 3)]
    [Runs("README.md", 4)]
    [Runs("README.md", 5)]
    [Runs("docs/caps.md", 1)]
    [Runs("docs/receipts.md", 1)]
    [Runs("docs/operations/jobs.md", 1)]
    [Runs("docs/integrations/README.md", 2)]
    [Runs("docs/fail-open/README.md", 4)]
    public async Task They_are_answered()
    {
        await using var provider = FakeProvider.Always(FakeProvider.Json("""{"model":"gpt-4o-mini","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"""));
        await using var product = await ProductProcess.ServeAsync(_folder.Path, [new("Providers__openai__BaseUrl", provider.Url.ToString().TrimEnd('/')), new("Recorder__BatchDelay", "00:00:00.01")]);
        using var shell = new DocsShell(_folder.Path);
        var here = product.Url.ToString().TrimEnd('/');

        // 1. A tenant. The command is given as it is built.
        var made = JsonDocument.Parse(await shell.RunAsync(Block("README.md", 3), ("dotnet run --project src/Standalone -- ", "tokonomics "), ("sk-…", "sk-0123456789"))).RootElement;
        var (key, keyId, token) = (made.GetProperty("metering_key").GetString()!, made.GetProperty("metering_key_id").GetString()!, made.GetProperty("api_token").GetString()!);
        await UntilAsync(async () => (await shell.RunAsync($"curl -s -o /dev/null -w '%{{http_code}}' {here}/v1/models -H 'Authorization: Bearer {key}'")) == "200");

        // 2. A call and its cost; a cap.
        var answers = await shell.RunAsync(Block("README.md", 4), (There, here), ("mk_live_…", key), ("tk_…", token));
        answers.ShouldContain("\"content\":\"hi\"");
        answers.ShouldContain("\"data\":[");
        provider.Requests.ShouldHaveSingleItem().Header("Authorization").ShouldBe("Bearer sk-0123456789");
        (await shell.RunAsync(Block("README.md", 5), (There, here), ("tk_…", token))).ShouldContain("bud_");
        // The same budget once more: of a scope and a period there is one.
        (await shell.RunAsync(Block("docs/caps.md", 1), (There, here), ("tk_…", token))).ShouldContain("budget_exists");
        (await shell.RunAsync(Block("docs/receipts.md", 1), (There, here), ("tk_…", token), ("key_…", keyId))).ShouldContain("gpt-4o-mini");

        (await shell.RunAsync(Block("docs/operations/jobs.md", 1), (There, here), ("tk_…", token))).ShouldContain("\"retention_days\":90");

        // 3. A call that went past, and the row of each.
        var told = await shell.RunAsync(
            Block("docs/fail-open/README.md", 4), ("https://tokonomics.example", here), ("mk_live_…", key), ("2026-11-30T12:00:00.123Z", DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", null)));
        told.ShouldContain("req_");
        string rows = "";
        await UntilAsync(async () => (rows = await shell.RunAsync($"curl -sS '{here}/api/v1/usage/events' -H 'Authorization: Bearer {token}'")).Contains("\"direct\":true", StringComparison.Ordinal));
        var id = JsonDocument.Parse(rows).RootElement.GetProperty("data")[0].GetProperty("id").GetString()!;
        (await shell.RunAsync(Block("docs/integrations/README.md", 2), (There, here), ("req_…", id), ("tk_…", token))).ShouldContain(id);
    }

    [Fact]
    [Runs("docs/sandbox.md", 1)]
    public async Task The_sandbox_serves_alone()
    {
        using var shell = new DocsShell(_folder.Path);
        (await shell.RunAsync(DocsBlock.At("docs/sandbox.md", 1).Text, ("9090", $"{ProductProcess.FreePort()}"))).ShouldContain("the sandbox answers");
    }

    // What an application adds to the page's lines: one call, made while the proxy is away. OpenAI's package for Python is not among Debian's: a class of its name takes what the page hands it.
    private static readonly Dictionary<string, (string Recipe, string File, string Command, string Before, string After)> Applications = new()
    {
        ["node"] = ("node/fail-open.mjs", "app.mjs", "node app.mjs", "", """
            const keptAlive = setInterval(() => {}, 1000);
            const answer = await openai.chat.completions.create({ model: 'gpt-5.1', messages: [{ role: 'user', content: 'hello' }] });
            console.log(answer.choices[0].message.content);
            """),
        ["python"] = ("python/fail_open.py", "app.py", "/usr/bin/python3 -B app.py", """
            import atexit, os, signal, sys, threading
            import httpx
            from fail_open import FailOpen
            key = os.environ["TOKONOMICS_KEY"]
            class OpenAI:
                def __init__(self, base_url, api_key, http_client):
                    self.base_url, self.api_key, self.http = base_url, api_key, http_client

            """, """
            answer = client.http.post(client.base_url + "/chat/completions", headers={"Authorization": "Bearer " + client.api_key}, json={"model": "gpt-5.1", "messages": [{"role": "user", "content": "hello"}]})
            print(answer.json()["choices"][0]["message"]["content"], flush=True)
            threading.Event().wait()
            """),
        ["csharp"] = ("csharp/FailOpenHandler.cs", "Program.cs", "(exec dotnet built/app.dll)", """
            using System.ClientModel;
            using System.ClientModel.Primitives;
            using System.Runtime.InteropServices;
            using OpenAI;
            using OpenAI.Chat;
            using TokonomicsFailOpen;
            string key = Environment.GetEnvironmentVariable("TOKONOMICS_KEY")!, openAiKey = Environment.GetEnvironmentVariable("OPENAI_API_KEY")!;

            """, """
            Console.WriteLine((await client.CompleteChatAsync([new UserChatMessage("hello")])).Value.Content[0].Text);
            Thread.Sleep(Timeout.Infinite);
            """),
    };

    [Theory]
    [InlineData("node", 1)]
    [InlineData("python", 2)]
    [InlineData("csharp", 3)]
    [Runs("docs/fail-open/README.md", 1)]
    [Runs("docs/fail-open/README.md", 2)]
    [Runs("docs/fail-open/README.md", 3)]
    public async Task The_lines_of_a_recipe_go_past_a_proxy_that_is_away_and_flush_before_the_process_ends(string language, int number)
    {
        await using var provider = FakeProvider.Always(FakeProvider.Json("""{"id":"c","object":"chat.completion","created":1,"model":"gpt-5.1","choices":[{"index":0,"message":{"role":"assistant","content":"past"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"""));
        var port = ProductProcess.FreePort();
        var here = $"http://127.0.0.1:{port}";
        var made = await ProductProcess.RunAsync(_folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--json"]);
        var (key, token) = (JsonDocument.Parse(made.Output).RootElement.GetProperty("metering_key").GetString()!, JsonDocument.Parse(made.Output).RootElement.GetProperty("api_token").GetString()!);
        var (recipe, file, command, before, after) = Applications[language];
        using var shell = new DocsShell(_folder.Path);
        File.CreateSymbolicLink(Path.Combine(shell.Path, "node_modules"), Path.Combine(TestFolder.Root, "tests/clients/node_modules"));
        File.Copy(Path.Combine(TestFolder.Root, "docs/fail-open", recipe), Path.Combine(shell.Path, Path.GetFileName(recipe)));
        var lines = Block("docs/fail-open/README.md", number).Replace("https://tokonomics.example", here, StringComparison.Ordinal).Replace("https://api.openai.com", provider.Url.ToString().TrimEnd('/'), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(shell.Path, file), before + lines + after, TestContext.Current.CancellationToken);
        if (language == "csharp")
            await BuildAsync(shell);
        shell.Set("TOKONOMICS_KEY", key).Set("OPENAI_API_KEY", "sk-own");

        // The signal that ends the application comes while the report still waits: it stays until the proxy is back and has it.
        var application = shell.RunAsync($"{command} > said & id=$!; until grep -q past said; do kill -0 $id; sleep 0.1; done; kill -TERM $id; touch told; wait $id; cat said");
        await UntilAsync(() => Task.FromResult(File.Exists(Path.Combine(shell.Path, "told"))));
        application.IsCompleted.ShouldBeFalse("it ended before its report was taken");
        await using var product = await ProductProcess.ServeAsync(_folder.Path, [new("Recorder__BatchDelay", "00:00:00.01")], port);
        (await application).ShouldContain("past");
        await UntilAsync(async () => (await shell.RunAsync($"curl -sS '{here}/api/v1/usage/events' -H 'Authorization: Bearer {token}'")).Contains("\"direct\":true", StringComparison.Ordinal));
    }

    private static async Task BuildAsync(DocsShell shell)
    {
        var openAi = System.Xml.Linq.XDocument.Load(Path.Combine(TestFolder.Root, "Directory.Packages.props")).Descendants("PackageVersion").Single(p => (string?)p.Attribute("Include") == "OpenAI").Attribute("Version")!.Value;
        await File.WriteAllTextAsync(Path.Combine(shell.Path, "app.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable><TreatWarningsAsErrors>true</TreatWarningsAsErrors></PropertyGroup>
              <ItemGroup><PackageReference Include="OpenAI" Version="{openAi}" /></ItemGroup>
            </Project>
            """, TestContext.Current.CancellationToken);
        // Without what the build that runs the tests has set for itself.
        await shell.RunAsync("for name in $(compgen -e | grep -i ^msbuild || true); do unset $name; done; MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 dotnet build -v quiet --nologo -o built");
    }

    private static string Block(string page, int number) => DocsBlock.At(page, number).Text;
}
