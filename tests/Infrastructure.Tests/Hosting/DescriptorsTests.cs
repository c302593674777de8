using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Tests.Hosting;

public sealed class DescriptorsTests
{
    [Theory]
    [InlineData("Max open files            20000                524288               files     ", 9744L)] // (20,000 - 512) / 2
    [InlineData("Max open files            1024                 1024                 files     ", 256L)]
    [InlineData("Max open files            256                  256                  files     ", 16L)]
    [InlineData("Max open files            unlimited            unlimited            files     ", null)]
    [InlineData("Max processes             95000                95000                processes ", null)]
    public void Connections_leave_descriptors_for_everything_else(string line, long? connections) =>
        Descriptors.MaxConnections(["Limit                     Soft Limit           Hard Limit           Units     ", line]).ShouldBe(connections);
}
