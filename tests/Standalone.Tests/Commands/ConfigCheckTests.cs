using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Commands;

/// <summary>The settings as an operator has them checked before a start.</summary>
public sealed class ConfigCheckTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private Task<(int ExitCode, string Output, string Errors)> CheckAsync(bool all, params (string Name, string Value)[] environment) =>
        ProductProcess.RunAsync(_folder.Path, all ? ["config", "check", "--all"] : ["config", "check"], environment: environment.Select(e => KeyValuePair.Create(e.Name, e.Value)));

    [Fact]
    public async Task What_is_set_is_shown_with_where_it_is_from_and_no_secret_is()
    {
        const string Secret = "HIDDENBIRD4Z";
        var (exit, output, errors) = await CheckAsync(false,
            ("Proxy__MaxBodyBytes", "2048"), ("Portal__OperatorTokens", Secret + "0123456789012345678901234567890"), ("Mail__Host", "mail.example"), ("Mail__Password", Secret), ("Billing__SecretKey", "sk_test_" + Secret), ("Billing__WebhookSecrets", "whsec_" + Secret),
            ("ConnectionStrings__Postgres", $"Host=db.example;Username=u;Password={Secret};Database=d"), ("ConnectionStrings__Redis", $"redis.example:6379,password={Secret},ssl=true"),
            ("Secrets__MasterKey", Convert.ToBase64String(new byte[32])), ("Secrets__Pepper", Convert.ToBase64String(new byte[32])), ("Alerts__SlackHosts__0", "hooks.example"), ("Mail__User", "u"),
            ("Kestrel__Certificates__Default__Password", Secret));

        exit.ShouldBe(0, output + errors);
        output.ShouldContain("Proxy:MaxBodyBytes                   2048   (environment Proxy__MaxBodyBytes)");
        output.ShouldContain("Alerts:SlackHosts                    hooks.example   (environment Alerts__SlackHosts__0)");
        output.ShouldContain("Host=db.example;Username=u;Password=***;Database=d");
        output.ShouldContain("redis.example:6379,password=***,ssl=true");
        output.ShouldContain("Mail:Host                            mail.example");
        output.ShouldNotContain("Proxy:ConnectTimeout");
        output.ShouldContain("The settings are in order.");
        (output + errors).ShouldSatisfyAllConditions(o => o.ShouldNotContain(Secret), o => o.ShouldNotContain(Convert.ToBase64String(new byte[32])));
        Directory.EnumerateFileSystemEntries(_folder.Path).ShouldBeEmpty("nothing is opened or made");
    }

    [Fact]
    public async Task Every_setting_is_listed_with_its_default_where_all_are_asked_for()
    {
        var (exit, output, _) = await CheckAsync(true);

        exit.ShouldBe(0, output);
        foreach (var setting in Settings.All())
            output.ShouldContain(setting.Name + " ");
        output.ShouldContain("Proxy:ConnectTimeout                 00:00:10   (default)");
    }

    [Theory]
    [InlineData("Proxy__MaxBodyBites", "9", "Is Proxy__MaxBodyBytes meant?")]
    [InlineData("ConnectionStrings__Postgre", "Host=x", "Is ConnectionStrings__Postgres meant?")]
    [InlineData("Providers__openai__Url", "http://x", "Providers__openai__Url is no setting of a provider")]
    [InlineData("Proxy__MaxBodyBytes", "9", "between 1024 and 1073741824")]
    [InlineData("Proxy__MaxBodyBytes", "many", "Proxy:MaxBodyBytes")]
    [InlineData("Drain__Notice", "01:00:00", "Drain: Notice is 0 to 5 min")]
    [InlineData("Billing__SecretKey", "pk_live_x", "Billing:SecretKey is no secret key of Stripe")]
    public async Task A_mistake_is_named(string name, string value, string told)
    {
        var (exit, output, _) = await CheckAsync(false, (name, value));

        (exit, output).ShouldSatisfyAllConditions(r => r.exit.ShouldBe(1, r.output), r => r.output.ShouldContain("PROBLEM"), r => r.output.ShouldContain(told));
    }
}
