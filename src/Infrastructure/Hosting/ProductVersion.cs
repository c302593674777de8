using System.Reflection;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>Which version this is, as `tokonomics --version` says it: a release, a commit after one (`1.2.4-dev.4+abc1234`), or a build that isn't of either (`Directory.Build.targets`).</summary>
public static class ProductVersion
{
    public static string Text { get; } = typeof(ProductVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
}
