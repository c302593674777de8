using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Tokonomics.Application.Providers;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Testing;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Tokonomics.Architecture.Tests;

/// <summary>
/// What deploys the product says nothing that the product doesn't know: settings, ports, image targets, probes, and how long an end takes. It is read
/// here, not run: an engine runs it.
/// </summary>
public sealed partial class DeploymentTests
{
    private static readonly string[] ComposeFiles = ["docker-compose.yml", "docker-compose.standalone.yml", "docker-compose.tls.yml"];

    private static readonly string[] KubernetesFiles = [.. Directory.EnumerateFiles(Path.Combine(TestFolder.Root, "deploy/kubernetes"), "*.yaml").Select(f => "deploy/kubernetes/" + Path.GetFileName(f))];

    // What a process may take after the notice and the timeout: its journal's last shipping.
    private static readonly TimeSpan Shipping = new RecorderOptions().ShutdownTimeout;

    [Fact]
    public void Every_setting_that_a_deployment_names_exists()
    {
        var page = Read("docs/operations/configuration.md");
        var named = 0;
        foreach (var (file, name) in ComposeServices().SelectMany(s => Strings(s.Service, "environment").Select(e => (s.File, e.Key)))
            .Concat(Objects("ConfigMap").SelectMany(o => Strings(o.Object, "data").Select(e => (o.File, e.Key))))
            .Concat(Objects("Secret").SelectMany(o => Strings(o.Object, "stringData").Select(e => (o.File, e.Key))))
            .Concat(Containers().SelectMany(c => c.Container.List("env").Select(e => (c.File, e.Text("name"))))).Where(e => !e.Item2.StartsWith("POSTGRES_", StringComparison.Ordinal)))
        {
            named++;
            Exists(page, name).ShouldBeTrue($"{file}: {name} is no setting");
        }

        named.ShouldBeGreaterThan(30);
        Exists(page, "Proxy__TrustedProxys").ShouldBeFalse();

        static bool Exists(string page, string name) => page.Contains($"| `{name.Replace("__", ":", StringComparison.Ordinal)}` |", StringComparison.Ordinal) || page.Contains($"environment `{name}`", StringComparison.Ordinal);
    }

    [Fact]
    public void Every_value_that_the_compose_files_ask_for_is_in_the_example()
    {
        var example = Read(".env.example");
        foreach (var file in ComposeFiles)
            foreach (Match variable in Variable().Matches(Read(file)))
                example.Split('\n').ShouldContain(l => l.StartsWith(variable.Groups[1].Value + "=", StringComparison.Ordinal), $"{file}: {variable.Groups[1].Value}");
    }

    [Fact]
    public void Images_are_made_by_targets_that_exist_and_listen_where_they_are_looked_for()
    {
        var targets = Targets();
        targets.Keys.Order().ShouldBe(["portal", "proxy", "standalone", "workers"]);
        foreach (var (target, (assembly, url, port)) in targets)
        {
            Directory.Exists(Path.Combine(TestFolder.Root, "src", assembly["Tokonomics.".Length..])).ShouldBeTrue(assembly);
            url.ShouldBe(port, $"{target} exposes what it listens on");
            // The port of the image is the one that the host takes by itself.
            Read($"src/{assembly["Tokonomics.".Length..]}/{(target switch { "proxy" => "ProxyHost", "portal" => "PortalHost", "workers" => "WorkersHost", _ => "Product" })}.cs").ShouldContain($"http://localhost:{port}\"");
        }

        var services = ComposeServices();
        foreach (var (file, name, service) in services.Where(s => s.Service.ContainsKey("build")))
        {
            var target = service.Map("build").Text("target");
            targets.ShouldContainKey(target, $"{file} {name}");
            if (service.ContainsKey("healthcheck"))
                string.Join(' ', service.Map("healthcheck").List<string>("test")).ShouldContain($"/127.0.0.1/{targets[target].Port} ", customMessage: $"{file} {name}");
        }

        foreach (var (file, _, container) in Containers())
        {
            var image = container.Text("image");
            image.ShouldStartWith("tokonomics-", customMessage: file);
            container.List("ports")[0].Text("containerPort").ShouldBe(targets[image["tokonomics-".Length..]].Port, file);
        }

        // nginx sends to services that exist, on their ports.
        var upstreams = Upstream().Matches(Read("deploy/nginx/tokonomics.conf"));
        upstreams.Count.ShouldBe(3);
        foreach (Match upstream in upstreams)
            targets[services.Single(s => s.File == "docker-compose.yml" && s.Name == upstream.Groups[1].Value).Service.Map("build").Text("target")].Port.ShouldBe(upstream.Groups[2].Value);
    }

    [Fact]
    public void Every_process_has_the_time_that_its_end_takes_and_nginx_keeps_connections_for_less_than_the_notice()
    {
        var notice = TimeSpan.MaxValue;
        foreach (var (file, name, service) in ComposeServices().Where(s => s.Service.ContainsKey("build")))
        {
            var settings = Strings(service, "environment");
            var grace = TimeSpan.FromSeconds(int.Parse(service.Text("stop_grace_period").TrimEnd('s'), CultureInfo.InvariantCulture));
            grace.ShouldBeGreaterThan(Ending(settings), $"{file} {name}");
            if (file == "docker-compose.yml")
                notice = Least(notice, Span(settings, "Drain__Notice", TimeSpan.Zero));
        }

        // Of idle connections for both hosts, and of a proxy that failed for each.
        var idle = Idle().Matches(Read("deploy/nginx/tokonomics.conf"));
        idle.Count.ShouldBe(4);
        foreach (Match seconds in idle)
            TimeSpan.FromSeconds(int.Parse(seconds.Groups[1].Value, CultureInfo.InvariantCulture)).ShouldBeLessThan(notice);

        var shared = Strings(Objects("ConfigMap").Single().Object, "data");
        foreach (var (file, pod, container) in Containers())
        {
            var settings = shared.Concat(container.List("env").Where(e => e.ContainsKey("value")).Select(e => KeyValuePair.Create(e.Text("name"), e.Text("value")))).GroupBy(s => s.Key).ToDictionary(s => s.Key, s => s.Last().Value);
            var before = container.ContainsKey("lifecycle") ? TimeSpan.FromSeconds(int.Parse(container.Map("lifecycle").Map("preStop").Map("sleep").Text("seconds"), CultureInfo.InvariantCulture)) : TimeSpan.Zero;
            TimeSpan.FromSeconds(int.Parse(pod.Text("terminationGracePeriodSeconds"), CultureInfo.InvariantCulture)).ShouldBeGreaterThan(before + Ending(settings), file);
        }

        // Shown to catch: ten minutes of streams don't fit into three.
        Ending(new Dictionary<string, string> { ["Drain__Timeout"] = "00:10:00" }).ShouldBeGreaterThan(TimeSpan.FromSeconds(180));

        static TimeSpan Ending(IReadOnlyDictionary<string, string> settings) => Span(settings, "Drain__Notice", new DrainOptions().Notice) + Span(settings, "Drain__Timeout", new DrainOptions().Timeout) + Shipping;
        static TimeSpan Span(IReadOnlyDictionary<string, string> settings, string name, TimeSpan otherwise) => settings.TryGetValue(name, out var text) ? TimeSpan.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;
    }

    [Fact]
    public void Units_name_settings_that_exist_and_give_an_end_the_time_that_it_takes()
    {
        var page = Read("docs/operations/configuration.md");
        // What is commented out is offered: it must exist as well.
        var offered = Assignment().Matches(Read("deploy/systemd/tokonomics.env")).Select(m => m.Groups[1].Value).ToList();
        offered.Count.ShouldBeGreaterThan(12);
        var units = Directory.EnumerateFiles(Path.Combine(TestFolder.Root, "deploy/systemd"), "*.service").Select(f => (Name: Path.GetFileName(f), Lines: File.ReadAllLines(f))).ToList();
        units.Select(u => u.Name).Order().ShouldBe(["tokonomics-portal.service", "tokonomics-proxy.service", "tokonomics-workers.service", "tokonomics.service"]);
        var targets = Targets();
        foreach (var (name, lines) in units)
        {
            var environment = lines.Where(l => l.StartsWith("Environment=", StringComparison.Ordinal)).Select(l => l["Environment=".Length..].Split('=', 2)).ToDictionary(e => e[0], e => e[1]);
            foreach (var setting in environment.Keys.Except(["HOME"]).Concat(offered))
                (page.Contains($"| `{setting.Replace("__", ":", StringComparison.Ordinal)}` |", StringComparison.Ordinal) || page.Contains($"environment `{setting}`", StringComparison.Ordinal)).ShouldBeTrue($"{name}: {setting} is no setting");
            // The same program and port as in the image of that host.
            var host = name == "tokonomics.service" ? "standalone" : name["tokonomics-".Length..^".service".Length];
            Value("ExecStart").ShouldBe($"/opt/tokonomics/current/{targets[host].Assembly}");
            environment["ASPNETCORE_URLS"].ShouldBe($"http://127.0.0.1:{targets[host].Port}");
            // The host's own limit is 15 s beyond its parts (HostSetup): what it then still does is cut off by systemd.
            var drain = Assignment().Matches(Read("deploy/systemd/tokonomics.env")).Where(m => m.Groups[1].Value.StartsWith("Drain__", StringComparison.Ordinal)).ToDictionary(m => m.Groups[1].Value, m => TimeSpan.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture));
            var ending = drain.GetValueOrDefault("Drain__Notice", new DrainOptions().Notice) + drain["Drain__Timeout"] + Shipping + TimeSpan.FromSeconds(15);
            TimeSpan.FromSeconds(int.Parse(Value("TimeoutStopSec"), CultureInfo.InvariantCulture)).ShouldBeGreaterThan(ending, name);
            Value("KillSignal").ShouldBe("SIGTERM");

            string Value(string key) => lines.Single(l => l.StartsWith(key + "=", StringComparison.Ordinal))[(key.Length + 1)..];
        }
    }

    [Fact]
    public void Every_proxy_keeps_a_journal_of_its_own()
    {
        var proxies = ComposeServices().Where(s => s.Service.ContainsKey("build") && s.Service.Map("build").Text("target") == "proxy").ToList();
        proxies.Count.ShouldBe(2);
        proxies.Select(p => Strings(p.Service, "environment")["Journal__Node"]).Distinct().Count().ShouldBe(2);
        proxies.Select(p => p.Service.List<string>("volumes")[0]).Distinct().Count().ShouldBe(2);

        var set = Objects("StatefulSet").Single().Object.Map("spec");
        var pod = set.Map("template").Map("spec").List("containers")[0];
        pod.List("env").Single(e => e.Text("name") == "Journal__Node").Map("valueFrom").Map("fieldRef").Text("fieldPath").ShouldBe("metadata.name");
        pod.List("volumeMounts").Single(m => m.Text("mountPath") == "/data").Text("name").ShouldBe(set.List("volumeClaimTemplates")[0].Map("metadata").Text("name"));
    }

    [Fact]
    public void The_manifests_belong_together()
    {
        var kustomization = (Dictionary<object, object>)Documents("deploy/kubernetes/kustomization.yaml").Single();
        var resources = kustomization.List<string>("resources");
        resources.Order().ShouldBe(KubernetesFiles.Select(f => f["deploy/kubernetes/".Length..]).Except(["kustomization.yaml", "secret.example.yaml", "command.yaml"]).Order());
        var images = kustomization.List("images").Select(i => i.Text("name")).ToList();
        foreach (var (file, pod, container) in Containers())
        {
            images.ShouldContain(container.Text("image"), file);
            // Nothing runs as root, writes to its image, or gains rights.
            pod.Map("securityContext").Text("runAsNonRoot").ShouldBe("true", file);
            pod.Map("securityContext").Text("runAsUser").ShouldBe("1654", file);
            container.Map("securityContext").Text("readOnlyRootFilesystem").ShouldBe("true", file);
            container.Map("securityContext").Text("allowPrivilegeEscalation").ShouldBe("false", file);
            container.Map("livenessProbe").Map("httpGet").Text("path").ShouldBe("/healthz", file);
            container.Map("readinessProbe").Map("httpGet").Text("path").ShouldBe("/readyz", file);
            container.List("envFrom")[0].Map("configMapRef").Text("name").ShouldBe(Objects("ConfigMap").Single().Object.Map("metadata").Text("name"));
            container.List("envFrom")[1].Map("secretRef").Text("name").ShouldBe(Objects("Secret").Single().Object.Map("metadata").Text("name"));
        }

        Read("Dockerfile").ShouldContain("USER 1654");
        var pods = new[] { "StatefulSet", "Deployment" }.SelectMany(Objects).Select(o => o.Object.Map("spec")).ToList();
        foreach (var spec in pods)
            Strings(spec.Map("selector"), "matchLabels").ShouldBeSubsetOf(Strings(spec.Map("template").Map("metadata"), "labels"));
        var services = Objects("Service").ToDictionary(s => s.Object.Map("metadata").Text("name"), s => s.Object);
        foreach (var service in services.Values)
        {
            var pod = pods.Single(p => Strings(service.Map("spec"), "selector").All(s => Strings(p.Map("template").Map("metadata"), "labels").Contains(s)));
            service.Map("spec").List("ports")[0].Text("port").ShouldBe(pod.Map("template").Map("spec").List("containers")[0].List("ports")[0].Text("containerPort"));
        }

        foreach (var path in Objects("Ingress").Single().Object.Map("spec").List("rules")[0].Map("http").List("paths"))
            services.ShouldContainKey(path.Map("backend").Map("service").Text("name"));
    }

    [Fact]
    public void The_pod_for_commands_has_the_others_settings_and_rights_and_the_image_that_has_commands()
    {
        var spec = Objects("Pod").Single().Object.Map("spec");
        var container = spec.List("containers").Single();
        var worker = Containers().Single(c => c.File.EndsWith("workers.yaml", StringComparison.Ordinal));
        static string Plain(object value) => new SerializerBuilder().Build().Serialize(value);
        Plain(container.List("envFrom")).ShouldBe(Plain(worker.Container.List("envFrom")));
        Plain(container.Map("securityContext")).ShouldBe(Plain(worker.Container.Map("securityContext")));
        Plain(spec.Map("securityContext")).ShouldBe(Plain(worker.Pod.Map("securityContext")));
        Plain(container.List("volumeMounts")).ShouldBe(Plain(worker.Container.List("volumeMounts")));
        // The one of all targets whose program has them, of the version of the others.
        var tag = ((Dictionary<object, object>)Documents("deploy/kubernetes/kustomization.yaml").Single()).List("images").Select(i => i.Text("newTag")).Distinct().Single();
        container.Text("image").ShouldBe($"registry.example.com/tokonomics/standalone:{tag}");
        Targets()["standalone"].Assembly.ShouldBe("Tokonomics.Standalone");
        Read("deploy/kubernetes/command.yaml").ShouldContain("-- dotnet Tokonomics.Standalone.dll verify");
    }

    [Fact]
    public async Task Nginx_takes_the_configuration_that_is_shipped()
    {
        using var folder = new TestFolder();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(100));
        var (path, keyPath) = (Path.Combine(folder.Path, "tls.crt"), Path.Combine(folder.Path, "tls.key"));
        await File.WriteAllTextAsync(path, certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(keyPath, key.ExportPkcs8PrivateKeyPem(), TestContext.Current.CancellationToken);
        var here = new Uri("http://127.0.0.1:9");
        var hosts = new Dictionary<string, Uri> { ["proxy-1:8080"] = here, ["proxy-2:8080"] = here, ["portal:8081"] = here };
        foreach (var tls in ((string, string)?[])[null, (path, keyPath)])
        {
            var (exit, output) = await Nginx.CheckAsync(hosts, tls);
            exit.ShouldBe(0, output);
        }

        // What must never stand there: a second sending of what may have been billed. nginx sends again only methods other than POST by itself.
        var metered = ProviderData.Load(new Microsoft.Extensions.Configuration.ConfigurationBuilder().Build()).Surfaces.Values.SelectMany(s => s.Routes).Where(r => r.Kind == RouteKind.Metered).ToList();
        metered.ShouldAllBe(r => r.Method == "POST");
        Objects("Ingress").Single().Object.Map("metadata").Map("annotations").Text("nginx.ingress.kubernetes.io/proxy-next-upstream").ShouldBe("error timeout");
        var locations = Read("deploy/nginx/locations.conf");
        Resends(locations).ShouldBeFalse();
        Resends(locations.Replace("proxy_next_upstream error timeout;", "proxy_next_upstream error timeout http_503 non_idempotent;", StringComparison.Ordinal)).ShouldBeTrue();
        foreach (var line in (string[])["proxy_buffering off;", "proxy_request_buffering off;", "gzip off;"])
            locations.ShouldContain(line);

        static bool Resends(string text) => Next().Match(text).Groups[1].Value != "error timeout";
    }

    private static List<(string File, string Name, Dictionary<object, object> Service)> ComposeServices() =>
        [.. ComposeFiles.SelectMany(f => ((Dictionary<object, object>)Documents(f).Single()).Map("services").Select(s => (f, (string)s.Key, (Dictionary<object, object>)s.Value)))];

    private static IEnumerable<(string File, Dictionary<object, object> Object)> Objects(string kind) =>
        KubernetesFiles.SelectMany(f => Documents(f).Cast<Dictionary<object, object>>().Where(d => d.Text("kind") == kind).Select(d => (f, d)));

    private static IEnumerable<(string File, Dictionary<object, object> Pod, Dictionary<object, object> Container)> Containers() =>
        new[] { "StatefulSet", "Deployment" }.SelectMany(Objects).Select(o => (o.File, Pod: o.Object.Map("spec").Map("template").Map("spec"))).SelectMany(p => p.Pod.List("containers").Select(c => (p.File, p.Pod, c)));

    /// <summary>The Dockerfile's last stages by name: what each starts, the port of its address, and the one that it exposes.</summary>
    private static Dictionary<string, (string Assembly, string Url, string Port)> Targets() => Stage().Matches(Read("Dockerfile")).ToDictionary(
        m => m.Groups[1].Value,
        m => (Assembly().Match(m.Value).Groups[1].Value, Listens().Match(m.Value).Groups[1].Value, Exposes().Match(m.Value).Groups[1].Value));

    private static Dictionary<string, string> Strings(Dictionary<object, object> map, string name) =>
        map.TryGetValue(name, out var value) ? ((Dictionary<object, object>)value).ToDictionary(e => (string)e.Key, e => (string)e.Value) : [];

    private static List<object> Documents(string file)
    {
        var parser = new MergingParser(new Parser(new StringReader(Read(file))));
        var deserializer = new DeserializerBuilder().Build();
        var documents = new List<object>();
        parser.Consume<YamlDotNet.Core.Events.StreamStart>();
        while (parser.Accept<YamlDotNet.Core.Events.DocumentStart>(out _))
            documents.Add(deserializer.Deserialize<object>(parser)!);
        return documents;
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(TestFolder.Root, file));

    [GeneratedRegex(@"^#?([A-Za-z]+(?:__?[A-Za-z]+)*)=(.*)$", RegexOptions.Multiline)]
    private static partial Regex Assignment();

    [GeneratedRegex(@"\$\{([A-Z_]+)")]
    private static partial Regex Variable();

    [GeneratedRegex(@"^    server ([a-z0-9-]+):(\d+)", RegexOptions.Multiline)]
    private static partial Regex Upstream();

    [GeneratedRegex(@"\b(?:keepalive_timeout |fail_timeout=)(\d+)s;")]
    private static partial Regex Idle();

    [GeneratedRegex("^proxy_next_upstream ([^;]*);", RegexOptions.Multiline)]
    private static partial Regex Next();

    [GeneratedRegex("^FROM host AS ([a-z]+)\n(?:(?!FROM).*\n?)*", RegexOptions.Multiline)]
    private static partial Regex Stage();

    [GeneratedRegex("""ENTRYPOINT \["dotnet", "(.*)\.dll"\]""")]
    private static partial Regex Assembly();

    [GeneratedRegex(@"ASPNETCORE_URLS=http://\+:(\d+)")]
    private static partial Regex Listens();

    [GeneratedRegex(@"EXPOSE (\d+)")]
    private static partial Regex Exposes();
}

internal static class YamlReading
{
    public static Dictionary<object, object> Map(this Dictionary<object, object> map, string name) => (Dictionary<object, object>)Value(map, name);

    public static string Text(this Dictionary<object, object> map, string name) => (string)Value(map, name);

    public static List<Dictionary<object, object>> List(this Dictionary<object, object> map, string name) => map.ContainsKey(name) ? map.List<Dictionary<object, object>>(name) : [];

    public static List<T> List<T>(this Dictionary<object, object> map, string name) => [.. ((List<object>)Value(map, name)).Cast<T>()];

    private static object Value(Dictionary<object, object> map, string name) => map.TryGetValue(name, out var value) ? value : throw new InvalidOperationException($"there is no {name} beside {string.Join(", ", map.Keys)}");
}
