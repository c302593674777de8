using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Tests.Sqlite;

public sealed class HostTests
{
    [Theory]
    [InlineData("Recorder:MaxWaiting", "5")]
    [InlineData("Recorder:BatchSize", "0")]
    [InlineData("Recorder:BatchDelay", "00:01:00")]
    [InlineData("Store:BusyTimeout", "00:00:00.001")]
    [InlineData("Store:DataDirectory", " ")]
    [InlineData("Endpoints:MaxPerTenant", "0")]
    [InlineData("Secrets:Pepper", "AAAA")]
    public async Task A_setting_out_of_its_range_stops_the_start_and_is_named(string name, string value)
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        using var host = Build(folder, (name, value));
        (await Should.ThrowAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken))).Message.ShouldContain(name.Split(':')[1]);
        Directory.Delete(folder, true);
    }

    [Fact]
    public async Task A_host_starts_on_an_empty_folder_and_again_on_what_it_left()
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        string key;
        using (var host = Build(folder))
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
            using var scope = host.Services.CreateScope();
            var made = await scope.ServiceProvider.GetRequiredService<MediatR.IMediator>().Send(new ProvisionTenant(Caller.Operator, "Acme", "a@example.com", []), TestContext.Current.CancellationToken);
            key = made.Value.LiveKey.Secret;
            host.Services.GetRequiredService<UsageRecorder>().Record(Some.Event("req_1"));
            await host.StopAsync(TestContext.Current.CancellationToken);
        }

        using (var host = Build(folder))
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
            host.Services.GetRequiredService<IKeyDirectory>().Find(key).Status.ShouldBe(KeyStatus.Active);
            using var connection = host.Services.GetRequiredService<SqliteDatabase>().OpenFile();
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT count(*) FROM usage_events";
            command.ExecuteScalar().ShouldBe(1L);
            await host.StopAsync(TestContext.Current.CancellationToken);
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(folder, true);
    }

    private static IHost Build(string folder, params (string Name, string Value)[] settings)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection([new("Store:DataDirectory", folder)]);
        builder.Configuration.AddInMemoryCollection(settings.Select(s => new KeyValuePair<string, string?>(s.Name, s.Value)));
        builder.Services.AddSecrets(builder.Configuration).AddTenantStore(builder.Configuration).AddKeyDirectory().AddUsageRecorder(builder.Configuration).AddUseCases();
        builder.Services.AddSingleton<IBuiltInProviders, NoProviders>();
        return builder.Build();
    }

    private sealed class NoProviders : IBuiltInProviders
    {
        public bool Contains(string name) => false;
    }
}
