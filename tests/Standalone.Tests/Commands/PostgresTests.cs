using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Commands;

/// <summary>The binary with nothing but a connection string more.</summary>
public sealed class PostgresTests : IDisposable
{
    private readonly TestFolder _first = new();
    private readonly TestFolder _second = new();

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }

    [Fact]
    public async Task Two_nodes_and_all_commands_share_one_database()
    {
        var server = await PostgresServer.SharedAsync();
        var environment = new Dictionary<string, string> { ["ConnectionStrings__Postgres"] = await server.CreateDatabaseAsync(migrated: false) };
        JsonElement tenant;
        await using (var one = await ProductProcess.ServeAsync(_first.Path, environment))
        {
            File.Copy(Path.Combine(_first.Path, "master.key"), Path.Combine(_second.Path, "master.key"));
            await using var two = await ProductProcess.ServeAsync(_second.Path, environment);
            two.Output.ShouldNotContain("mk_"); // the first start of a node isn't the first of the database
            tenant = JsonDocument.Parse((await CommandAsync("provision", "--tenant", "Acme", "--email", "ada@acme.example", "--json")).Output).RootElement;
            foreach (var node in new[] { one, two })
            {
                for (var tries = 0; ; tries++)
                {
                    using var answer = await CallAsync(node.Url);
                    if (answer.IsSuccessStatusCode)
                        break;
                    ((int)answer.StatusCode).ShouldBe(401); // not heard of the key yet
                    tries.ShouldBeLessThan(500);
                    await Task.Delay(10);
                }
            }

            (await one.TerminateAsync()).ShouldBe(0);
            (await two.TerminateAsync()).ShouldBe(0);
        }

        File.Exists(Path.Combine(_first.Path, "tokonomics.db")).ShouldBeFalse();
        var verified = await CommandAsync("verify");
        verified.Output.ShouldContain("holds   hourly_equals_events");
        verified.Output.ShouldContain("holds   partitions_ahead");
        verified.ExitCode.ShouldBe(0, verified.Output);
        (await CommandAsync("rerate", "--tenant", tenant.GetProperty("tenant_id").GetString()!)).Output.ShouldContain("2 events of");
        (await CommandAsync("rotate-master-key")).ExitCode.ShouldBe(0);

        // Another node's folder without the keys is refused rather than left to recognise no key.
        using var third = new TestFolder();
        (await ProductProcess.RunAsync(third.Path, ["verify"], environment: environment)).Errors.ShouldContain("master.key is missing, and PostgreSQL 127.0.0.1");

        Task<(int ExitCode, string Output, string Errors)> CommandAsync(params string[] arguments) => ProductProcess.RunAsync(_first.Path, arguments, environment: environment);

        async Task<HttpResponseMessage> CallAsync(Uri url)
        {
            using var client = new HttpClient();
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(url, "/v1/chat/completions"))
            {
                Content = new StringContent("""{"model":"sandbox-small","messages":[{"role":"user","content":"Hello"}]}""", System.Text.Encoding.UTF8, "application/json"),
            };
            request.Headers.Authorization = new("Bearer", tenant.GetProperty("test_key").GetString());
            return await client.SendAsync(request);
        }
    }

    [Theory]
    [InlineData("verify")]
    [InlineData("serve")]
    public async Task A_database_that_is_not_there_is_named_with_the_reason(string command)
    {
        var environment = new Dictionary<string, string> { ["ConnectionStrings__Postgres"] = $"Host=127.0.0.1;Port={ProductProcess.FreePort()};Database=tokonomics;Username=u;Password=the-secret-of-it" };
        var (exit, output, errors) = await ProductProcess.RunAsync(_first.Path, [command], environment: environment);
        exit.ShouldBe(1);
        errors.ShouldContain("tokonomics: the database can't be used: Failed to connect to 127.0.0.1");
        (output + errors).ShouldNotContain("the-secret-of-it");
        errors.ShouldNotContain("   at ");
    }
}
