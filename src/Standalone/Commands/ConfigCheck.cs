using System.CommandLine;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>config check</c>: the settings as the product would take them, where each is from, and what is wrong with them. Opens no database and listens nowhere.</summary>
internal static partial class ConfigCheck
{
    public static Command Command()
    {
        var all = new Option<bool>("--all") { Description = "Those that nobody has set as well" };
        var check = new Command("check", "Prints the effective settings, secrets masked, and names what is misspelt or out of range. Exit code 1 where something is.") { all };
        check.SetAction((parse, _) => Task.FromResult(Run(parse.GetValue(all), Environment.GetEnvironmentVariables().Keys.Cast<string>().ToList(), Console.Out)));
        return new Command("config", "The settings") { check };
    }

    private static int Run(bool all, IReadOnlyList<string> variables, TextWriter to)
    {
        IConfigurationRoot? configuration = null;
        var problems = new List<string>();

        // 1. As when it starts: whatever can be said against a value then is said now.
        try
        {
            var app = Product.Build(StoreSetup.DataFolder, builder => configuration = builder.Configuration);
            app.Services.GetService<IStartupValidator>()?.Validate();
        }
        catch (AggregateException e)
        {
            problems.AddRange(e.InnerExceptions.Select(i => i.Message));
        }
        catch (Exception e) when (HostSetup.Explain(e) is { } why)
        {
            problems.Add(why);
        }

        configuration ??= new ConfigurationBuilder().AddEnvironmentVariables().Build();
        var known = Settings.All().ToList();

        // 2. What nobody reads.
        foreach (var variable in variables.Order(StringComparer.Ordinal))
            if (Unknown(variable, known) is { } unknown)
                problems.Add(unknown);

        // 3. The rest, as it is.
        to.WriteLine($"{"TOKONOMICS_DATA",-36} {StoreSetup.DataFolder}");
        to.WriteLine($"{"urls",-36} {configuration["urls"] ?? Product.DefaultUrl}");
        var names = known.Select(s => s.Name).Concat(Settings.Others.Where(o => !o.EndsWith(':'))).ToList();
        var set = configuration.AsEnumerable().Where(p => p.Value is not null && IsOurs(p.Key)).Select(p => p.Key).Where(k => !names.Contains(k, StringComparer.OrdinalIgnoreCase) && !names.Any(n => k.StartsWith(n + ":", StringComparison.OrdinalIgnoreCase)));
        foreach (var name in names.Concat(set.Order(StringComparer.OrdinalIgnoreCase)))
        {
            var setting = known.FirstOrDefault(s => s.Name == name);
            var value = setting is { IsList: true } ? string.Join(", ", configuration.GetSection(name).GetChildren().Select(c => c.Value)) is { Length: > 0 } items ? items : null : configuration[name];
            if (value is null && !all)
                continue;
            to.WriteLine($"{name,-36} {Masked(name, value ?? setting?.Default ?? "")}{(value is null ? "   (default)" : $"   ({SourceOf(configuration, variables, name)})")}");
        }

        // 4. What an older version, or a loose folder, lets others read.
        foreach (var path in OwnFiles.OpenToOthers(StoreSetup.DataFolder))
            to.WriteLine($"NOTE     {path} can be read by every user of this machine; run: chmod -R o-rwx {StoreSetup.DataFolder}");
        foreach (var problem in problems.Distinct())
            to.WriteLine($"PROBLEM  {problem}");
        to.WriteLine(problems.Count == 0 ? "The settings are in order." : $"{problems.Distinct().Count()} of them must be mended.");
        return problems.Count == 0 ? 0 : 1;
    }

    private static bool IsOurs(string key) => Settings.Sections.Any(s => key.StartsWith(s.Name + ":", StringComparison.OrdinalIgnoreCase)) || Settings.Others.Any(o => o.EndsWith(':') ? key.StartsWith(o, StringComparison.OrdinalIgnoreCase) : key.Equals(o, StringComparison.OrdinalIgnoreCase));

    private static string SourceOf(IConfigurationRoot configuration, IReadOnlyList<string> variables, string name)
    {
        // By the variables themselves: what is set at start, .NET writes into every source.
        var variable = variables.FirstOrDefault(v => v.Replace("__", ":", StringComparison.Ordinal) is var key && (key.Equals(name, StringComparison.OrdinalIgnoreCase) || key.Equals(name + ":0", StringComparison.OrdinalIgnoreCase)));
        if (variable is not null)
            return $"environment {variable}";
        return configuration.Providers.OfType<FileConfigurationProvider>().LastOrDefault(p => p.Source is { FileProvider: { } files, Path: { } path } && files.GetFileInfo(path).Exists && (p.TryGet(name, out _) || p.TryGet(name + ":0", out _)))?.Source.Path ?? "set at start";
    }

    // A variable that begins like one of ours and is none: nothing reads it, and whoever set it thinks that something does.
    private static string? Unknown(string variable, List<Setting> known)
    {
        var key = variable.Replace("__", ":", StringComparison.Ordinal);
        var section = key.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon ? key[..colon] : null;
        if (section is null || !(Settings.Sections.Any(s => s.Name.Equals(section, StringComparison.OrdinalIgnoreCase)) || section.Equals("ConnectionStrings", StringComparison.OrdinalIgnoreCase) || section.Equals("Providers", StringComparison.OrdinalIgnoreCase) || section.Equals("Prices", StringComparison.OrdinalIgnoreCase)))
            return null;
        if (section.Equals("Providers", StringComparison.OrdinalIgnoreCase))
        {
            var last = key[(key.LastIndexOf(':') + 1)..];
            return key.Count(c => c == ':') == 2 && Settings.OfProviders.Contains(last, StringComparer.OrdinalIgnoreCase) ? null
                : $"{variable} is no setting of a provider: those are Providers__{{name}}__{string.Join(", __", Settings.OfProviders)}.";
        }

        if (known.Any(s => s.Name.Equals(key, StringComparison.OrdinalIgnoreCase) || (s.IsList && key.StartsWith(s.Name + ":", StringComparison.OrdinalIgnoreCase))) || Settings.Others.Contains(key, StringComparer.OrdinalIgnoreCase))
            return null;
        var nearest = known.Select(s => s.Name).Concat(Settings.Others.Where(o => !o.EndsWith(':'))).MinBy(n => Distance(n, key))!;
        return $"{variable} is no setting, and nothing reads it.{(Distance(nearest, key) <= Math.Max(3, key.Length / 3) ? $" Is {nearest.Replace(":", "__", StringComparison.Ordinal)} meant?" : "")}";
    }

    private static string Masked(string name, string value)
    {
        if (value.Length == 0)
            return "-";
        if (name.StartsWith("ConnectionStrings:", StringComparison.OrdinalIgnoreCase))
            return Passwords().Replace(value, "$1=***");
        return Settings.IsSecret(name) ? "***" : UserInfo().Replace(value, "$1***@");
    }

    /// <summary>Levenshtein's, without regard to case.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var corner = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                (corner, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, corner + (char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]) ? 0 : 1)));
        }

        return row[^1];
    }

    [GeneratedRegex("(?i)(password|pwd|passfile|ssl password)\\s*=\\s*(\"[^\"]*\"|'[^']*'|[^;,]*)")]
    private static partial Regex Passwords();

    [GeneratedRegex("(://)[^/@\\s]+@")]
    private static partial Regex UserInfo();
}
