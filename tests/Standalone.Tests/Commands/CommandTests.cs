using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Commands;

/// <summary>The binary as a user meets it: its commands, its first start, and how it says what is wrong.</summary>
public sealed partial class CommandTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--help", "serve")]
    [InlineData("serve --help", "TOKONOMICS_DATA")]
    [InlineData("provision --help", "--provider")]
    [InlineData("verify --help", "--tenant")]
    [InlineData("rerate --help", "--month")]
    [InlineData("nodes --help", "leases")]
    [InlineData("nodes close --help", "--unspent")]
    [InlineData("prices --help", "check")]
    [InlineData("prices check --help", "--folder")]
    [InlineData("rotate-master-key --help", "master key")]
    [InlineData("sandbox --help", "--bill")]
    public async Task Every_command_explains_itself(string arguments, string says)
    {
        var (exit, output, _) = await ProductProcess.RunAsync(_folder.Path, arguments.Split(' '));
        exit.ShouldBe(0);
        output.ShouldContain(says);
    }

    [Fact]
    public async Task The_first_start_prints_a_curl_line_that_works_as_it_stands_and_the_second_prints_no_key()
    {
        string[] curl;
        await using (var product = await ProductProcess.ServeAsync(_folder.Path))
        {
            product.Output.ShouldContain($"portal  {product.Url.ToString().TrimEnd('/')}/");
            curl = [.. CurlLine().Matches(product.Output).Select(m => m.Value)];
            curl.Length.ShouldBe(2);
            var answer = JsonDocument.Parse(await ShellAsync(curl[0])).RootElement;
            answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString().ShouldNotBeNullOrEmpty();
            JsonElement events;
            do
                events = JsonDocument.Parse(await ShellAsync(curl[1])).RootElement.GetProperty("data");
            while (events.GetArrayLength() == 0);
            events[0].GetProperty("cost_usd").GetString().ShouldBe("0.000071"); // 5 in at 1 USD, 33 out at 2 USD a million
            (await product.TerminateAsync()).ShouldBe(0);
        }

        await using var again = await ProductProcess.ServeAsync(_folder.Path, port: new Uri(Url().Match(curl[0]).Value).Port);
        again.Output.ShouldNotContain("mk_");
        // The same key still works, and what was recorded before the stop is there.
        (await ShellAsync(curl[0])).ShouldContain("choices");
        JsonDocument.Parse(await ShellAsync(curl[1])).RootElement.GetProperty("data").GetArrayLength().ShouldBeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task Closing_a_run_that_holds_nothing_is_refused_with_what_to_do()
    {
        (await ProductProcess.RunAsync(_folder.Path, ["nodes"])).ExitCode.ShouldBe(0);
        var (exit, _, errors) = await ProductProcess.RunAsync(_folder.Path, ["nodes", "close", "nobody~1"]);
        exit.ShouldBe(1);
        errors.ShouldContain("no run 'nobody~1' holds leases: 'tokonomics nodes' lists those that do");
    }

    [Fact]
    public async Task Provisioning_while_the_product_serves_makes_keys_that_work_within_a_second()
    {
        await using var product = await ProductProcess.ServeAsync(_folder.Path);
        var (exit, output, errors) = await ProductProcess.RunAsync(
            _folder.Path, ["provision", "--tenant", "Acme", "--email", "ada@acme.example", "--plan", "pro", "--provider", "openai=sk-one-0123456789", "--provider", "anthropic=-", "--json"], input: "sk-ant-from-input-0123\n");
        exit.ShouldBe(0, errors);
        var made = JsonDocument.Parse(output).RootElement;
        made.GetProperty("tenant_id").GetString()!.ShouldStartWith("ten_");
        made.GetProperty("metering_key").GetString()!.ShouldStartWith("mk_live_");
        made.GetProperty("api_token").GetString()!.ShouldStartWith("tk_");
        using var client = new HttpClient { BaseAddress = product.Url };
        client.DefaultRequestHeaders.Add("Authorization", "Bearer " + made.GetProperty("test_key").GetString());
        var tries = 0;
        while (!(await client.GetAsync("/v1/models")).IsSuccessStatusCode)
        {
            (++tries).ShouldBeLessThan(20);
            await Task.Delay(100);
        }

        client.DefaultRequestHeaders.Remove("Authorization");
        client.DefaultRequestHeaders.Add("Authorization", "Bearer " + made.GetProperty("api_token").GetString());
        var credentials = JsonDocument.Parse(await client.GetStringAsync("/api/v1/credentials")).RootElement.GetProperty("data");
        credentials.EnumerateArray().Select(c => c.GetProperty("provider").GetString()).Order().ShouldBe(["anthropic", "openai"]);
    }

    [Theory]
    [InlineData("provision --tenant A --email nobody", "e-mail")]
    [InlineData("provision --tenant A --email a@b.example --provider openai", "name=key")]
    [InlineData("provision --tenant A --email a@b.example --provider nosuch=sk-0123456789", "nosuch")]
    [InlineData("provision --tenant A --email a@b.example --plan gold", "gold")]
    [InlineData("provision --tenant A --email a@b.example --time-zone Mars/Olympus", "time zone")]
    [InlineData("provision --email a@b.example", "--tenant")]
    [InlineData("rerate --month november", "2026-11")]
    [InlineData("nonsense", "nonsense")]
    public async Task A_wrong_argument_is_named_and_the_exit_code_tells(string arguments, string says)
    {
        var (exit, output, errors) = await ProductProcess.RunAsync(_folder.Path, arguments.Split(' '));
        exit.ShouldNotBe(0);
        (output + errors).ShouldContain(says);
        (output + errors).ShouldNotContain("   at ");
    }

    [Fact]
    public async Task Starting_twice_on_one_folder_is_refused_with_the_reason()
    {
        await using var first = await ProductProcess.ServeAsync(_folder.Path);
        var (exit, _, errors) = await ProductProcess.RunAsync(_folder.Path, []);
        exit.ShouldBe(1);
        errors.ShouldContain("another Tokonomics serves from");
        errors.ShouldContain("TOKONOMICS_DATA");
    }

    [Fact]
    public async Task A_taken_port_is_named_with_what_to_do()
    {
        using var taken = new TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port;
        var (exit, _, errors) = await ProductProcess.RunAsync(_folder.Path, [], new Uri($"http://127.0.0.1:{port}"));
        exit.ShouldBe(1);
        errors.ShouldContain($"{port}");
        errors.ShouldContain("ASPNETCORE_URLS");
        errors.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task A_folder_that_can_not_be_written_is_named_with_what_to_do()
    {
        var file = Path.Combine(_folder.Path, "a-file");
        await File.WriteAllTextAsync(file, "");
        foreach (var arguments in new string[][] { [], ["verify"] })
        {
            var (exit, _, errors) = await ProductProcess.RunAsync(Path.Combine(file, "data"), arguments);
            exit.ShouldBe(1);
            errors.ShouldContain(Path.Combine(file, "data"));
            errors.ShouldNotContain("   at ");
        }
    }

    [Fact]
    public async Task A_setting_that_can_not_be_is_named_with_its_value()
    {
        var environment = new Dictionary<string, string> { ["Providers__openai__BaseUrl"] = "nonsense", ["Providers__nosuch__BaseUrl"] = "http://127.0.0.1" };
        var failure = await Should.ThrowAsync<InvalidOperationException>(() => ProductProcess.ServeAsync(_folder.Path, environment));
        failure.Message.ShouldContain("Providers:openai:BaseUrl is 'nonsense'");
        failure.Message.ShouldContain("nosuch names no provider");
    }

    [Fact]
    public async Task Verify_and_rerate_hold_on_what_was_served_and_prices_check_finds_no_error()
    {
        await using (var product = await ProductProcess.ServeAsync(_folder.Path))
            await ShellAsync(CurlLine().Match(product.Output).Value);
        var verified = await ProductProcess.RunAsync(_folder.Path, ["verify"]);
        verified.ExitCode.ShouldBe(0, verified.Output);
        verified.Output.ShouldContain("holds   hourly_equals_events");
        var rerated = await ProductProcess.RunAsync(_folder.Path, ["rerate"]);
        rerated.ExitCode.ShouldBe(0);
        rerated.Output.ShouldContain("1 events of");
        rerated.Output.ShouldContain(", 0 differ");
        var prices = await ProductProcess.RunAsync(_folder.Path, ["prices", "check"]);
        prices.ExitCode.ShouldBe(0);
        prices.Output.ShouldContain("0 errors");
    }

    [Fact]
    public async Task Verify_names_the_row_that_was_tampered_with()
    {
        await using (var product = await ProductProcess.ServeAsync(_folder.Path))
            await ShellAsync(CurlLine().Match(product.Output).Value);
        await using (var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(_folder.Path, "tokonomics.db")};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "UPDATE usage_hourly SET cost_nano = cost_nano + 1";
            command.ExecuteNonQuery().ShouldBe(1);
        }

        var (exit, output, _) = await ProductProcess.RunAsync(_folder.Path, ["verify"]);
        exit.ShouldBe(1);
        output.ShouldContain("BROKEN  hourly_equals_events");
        output.ShouldContain("sandbox-small");
    }

    [Fact]
    public async Task The_master_key_is_rotated_while_the_product_serves()
    {
        await using var product = await ProductProcess.ServeAsync(_folder.Path);
        var (exit, output, errors) = await ProductProcess.RunAsync(_folder.Path, ["rotate-master-key"]);
        exit.ShouldBe(0, errors);
        output.ShouldContain("in use");
        (await ShellAsync(CurlLine().Match(product.Output).Value)).ShouldContain("choices");
    }

    [Fact]
    public async Task It_lives_and_is_ready()
    {
        await using var product = await ProductProcess.ServeAsync(_folder.Path);
        using var client = new HttpClient { BaseAddress = product.Url };
        (await client.GetStringAsync("/healthz")).ShouldBe("ok");
        (await client.GetStringAsync("/readyz")).ShouldBe("""{"status":"ready","problems":[]}""");
    }

    private static async Task<string> ShellAsync(string line)
    {
        using var shell = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("sh", ["-c", line]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = await shell.StandardOutput.ReadToEndAsync();
        await shell.WaitForExitAsync();
        return output;
    }

    [GeneratedRegex("curl .*$", RegexOptions.Multiline)]
    private static partial Regex CurlLine();

    [GeneratedRegex("http://[0-9.]+:[0-9]+")]
    private static partial Regex Url();
}
