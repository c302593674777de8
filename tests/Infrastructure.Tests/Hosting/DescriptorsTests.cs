using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Tests.Hosting;

public sealed class DescriptorsTests
{
    [Theory]
    [InlineData("Max open files            20000                524288               files     ", 9616L)] // (20,000 - 768) / 2
    [InlineData("Max open files            1024                 1024                 files     ", 128L)]
    [InlineData("Max open files            256                  256                  files     ", 16L)]
    [InlineData("Max open files            unlimited            unlimited            files     ", null)]
    [InlineData("Max processes             95000                95000                processes ", null)]
    public void Connections_leave_descriptors_for_everything_else(string line, long? connections) =>
        Descriptors.MaxConnections(["Limit                     Soft Limit           Hard Limit           Units     ", line]).ShouldBe(connections);

    [Fact]
    public void What_the_databases_driver_may_meet_late_is_loaded_before_there_is_a_flood()
    {
        var driver = typeof(Npgsql.NpgsqlConnection).Assembly;
        Descriptors.LoadReferencesOf(driver);
        var loaded = AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetName().Name).ToHashSet();
        driver.GetReferencedAssemblies().Select(a => a.Name).Except(loaded).ShouldBeEmpty();
        loaded.ShouldContain("System.Net.NetworkInformation"); // the one that was missing
    }
}
