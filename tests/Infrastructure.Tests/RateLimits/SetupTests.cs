using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Infrastructure.RateLimits;
using Tokonomics.Infrastructure.Redis;

namespace Tokonomics.Tests.RateLimits;

public sealed class SetupTests
{
    private static ServiceProvider Services(params (string Name, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(s => s.Name, s => (string?)s.Value)).Build();
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(TimeProvider.System);
        services.AddRateLimits(configuration);
        services.AddChangeNotices(configuration);
        return services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true });
    }

    [Fact]
    public void One_node_keeps_its_limits_in_memory_and_several_in_Redis()
    {
        using var one = Services();
        one.GetRequiredService<IRateLimiter>().ShouldBeOfType<InProcessRateLimiter>();
        one.GetServices<IDirectoryRefresh>().ShouldBeEmpty();
        var several = Services(("ConnectionStrings:Redis", "127.0.0.1:1"));
        several.GetRequiredService<IRateLimiter>().ShouldBeOfType<RedisRateLimiter>();
        several.GetServices<IDirectoryRefresh>().ShouldHaveSingleItem().ShouldBeOfType<ChangeNotices>();
    }

    [Theory]
    [InlineData("RateLimits:KeyRequestsPerMinute", "0", "must be 1 to 1000000000")]
    [InlineData("RateLimits:TenantConcurrentRequests", "-1", "RateLimits:Tenant")]
    [InlineData("RateLimits:Nodes", "0", "RateLimits:Nodes is 0")]
    public void A_limit_that_can_not_be_is_said_at_start(string name, string value, string said)
    {
        using var services = Services((name, value));
        Should.Throw<OptionsValidationException>(() => services.GetRequiredService<IRateLimiter>()).Message.ShouldContain(said);
    }

    [Theory]
    [InlineData("Redis:Timeout", "00:01:00", "Redis:Timeout is 00:01:00")]
    [InlineData("Redis:Prefix", "a{b}:", "Redis:Prefix")]
    public void So_is_a_setting_of_Redis(string name, string value, string said)
    {
        var services = Services(("ConnectionStrings:Redis", "127.0.0.1:1"), (name, value));
        Should.Throw<OptionsValidationException>(() => services.GetRequiredService<IOptions<RedisOptions>>().Value).Message.ShouldContain(said);
    }
}
