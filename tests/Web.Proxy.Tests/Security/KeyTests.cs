using System.Net.Http.Json;
using System.Numerics;
using System.Text;
using System.Text.Json;
using MediatR;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Security;

/// <summary>Keys as they show at the wire and on disk.</summary>
[Collection("ingress")]
public sealed class KeyTests(IngressProduct ingress)
{
    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    private TestProduct Product => ingress.Product;

    [Fact]
    public void A_key_has_192_bits_that_no_two_share()
    {
        var keys = Enumerable.Range(0, 2000).Select(_ => Domain.Keys.MeteringKey.Generate(KeyEnvironment.Live).Reveal()).ToList();

        keys.ShouldBeUnique();
        keys.Select(k => k.Substring(8, 10)).ShouldBeUnique();
        // 33 digits of base 62 hold the 192 bits; over 2,000 keys each of the upper bits is set about 1,000 times (deviation 22), and never less than 850.
        const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        var values = keys.Select(k => k.Substring(8, 33).Aggregate(BigInteger.Zero, (sum, c) => (sum * 62) + Digits.IndexOf(c, StringComparison.Ordinal))).ToList();
        values.ShouldAllBe(v => v < BigInteger.One << 192);
        for (var bit = 0; bit < 192; bit++)
            values.Count(v => !((v >> bit) & 1).IsZero).ShouldBeInRange(850, 1150, $"bit {bit}");
    }

    [Fact]
    public async Task A_key_is_shown_once_and_masked_ever_after()
    {
        using var made = await Product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "shown once", environment = "live" }));
        var body = JsonDocument.Parse(await made.Content.ReadAsStringAsync()).RootElement;
        var (id, key) = (body.GetProperty("id").GetString()!, body.GetProperty("key").GetString()!);
        key.Length.ShouldBe(8 + 33 + 6);
        await CallAsync(key, 200);

        foreach (var path in (string[])["keys", "credentials", "endpoints", "tokens", "usage/events?limit=1000", "openapi.json"])
        {
            using var answer = await Product.ApiAsync(HttpMethod.Get, path);
            var text = await answer.Content.ReadAsStringAsync();
            text.ShouldNotContain(key, Case.Sensitive, path);
            text.ShouldNotContain(IngressProduct.ProviderKey, Case.Sensitive, path);
            text.ShouldNotContain(Product.Token, Case.Sensitive, path);
        }

        using var list = await Product.ApiAsync(HttpMethod.Get, "keys");
        var shown = JsonDocument.Parse(await list.Content.ReadAsStringAsync()).RootElement.GetProperty("data").EnumerateArray().Single(k => k.GetProperty("id").GetString() == id);
        shown.GetProperty("masked").GetString().ShouldBe(key[..18] + "\u2026");
    }

    [Fact]
    public async Task A_revoked_key_is_refused_by_the_next_request_under_every_door()
    {
        using var made = await Product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "to revoke", environment = "live" }));
        var body = JsonDocument.Parse(await made.Content.ReadAsStringAsync()).RootElement;
        var key = body.GetProperty("key").GetString()!;
        await CallAsync(key, 200);
        (await Product.ApiAsync(HttpMethod.Delete, $"keys/{body.GetProperty("id").GetString()}")).IsSuccessStatusCode.ShouldBeTrue();

        foreach (var target in (string[])["/v1/chat/completions", "/proxy/openai/v1/chat/completions", "/proxy/anthropic/v1/messages"])
            (await CallAsync(key, 401, target)).Text.ShouldContain("revoked");
        // The same connection and the same key on an open one.
        await using var client = await ingress.ConnectAsync();
        await client.SendAsync(ingress.Post("/v1/chat/completions", Chat) + ingress.Post("/v1/chat/completions", Chat).Replace(ingress.Key, key, StringComparison.Ordinal));
        (await client.ReadAsync())!.Status.ShouldBe(200);
        (await client.ReadAsync())!.Status.ShouldBe(401);
    }

    [Theory]
    [InlineData("mk_live_")]
    [InlineData("mk_live_000000000000000000000000000000000000000")]
    [InlineData("{key}x")]
    [InlineData("{key},{key}")]
    [InlineData("x{key}")]
    [InlineData("MK_LIVE_{tail}")]
    [InlineData("mk_test_{tail}")]
    [InlineData("{cut}")]
    [InlineData("{swapped}")]
    [InlineData("sk-proj-0123456789")]
    [InlineData("' OR 1=1 --")]
    [InlineData("../../etc/passwd")]
    [InlineData("{\"$gt\":\"\"}")]
    [InlineData("{zeros}")]
    public async Task What_is_not_exactly_a_key_is_no_key(string text)
    {
        var key = ingress.Key;
        text = text.Replace("{key}", key, StringComparison.Ordinal).Replace("{tail}", key[8..], StringComparison.Ordinal).Replace("{cut}", key[..^1], StringComparison.Ordinal)
            .Replace("{swapped}", key[..20] + key[21] + key[20] + key[22..], StringComparison.Ordinal).Replace("{zeros}", new string('0', 4000), StringComparison.Ordinal);
        if (text == key)
            return; // the two swapped characters were the same
        var answer = await CallAsync(text, 401);
        answer.Text.ShouldNotContain(text.Length > 8 ? text : "mk_live_0", Case.Sensitive, "a refusal does not repeat what was presented");
    }

    [Theory]
    [InlineData("/v1/chat/completions?api_key={key}")]
    [InlineData("/v1/chat/completions?api-key={key}")]
    [InlineData("/v1/chat/completions?apikey={key}")]
    [InlineData("/v1/chat/completions?token={key}")]
    [InlineData("/v1/chat/completions?access_token={key}")]
    [InlineData("/v1/chat/completions?x=Bearer%20{key}")]
    [InlineData("/v1/chat/completions?a=1&a={key}")]
    [InlineData("/v1/chat/completions?{key}")]
    [InlineData("/v1/chat/completions?{key}=1")]
    [InlineData("/v1/chat/completions?api_key=%6d%6b_live_{tail}")]
    [InlineData("/v1/chat/completions?api_key=mk%5Flive%5F{tail}")]
    [InlineData("/v1/chat/completions?key=x{key}")]
    [InlineData("/v1/models/{key}")]
    [InlineData("/v1/models/%6dk_live_{tail}")]
    [InlineData("/proxy/openai/{key}/chat/completions")]
    [InlineData("/proxy/{key}/v1/chat/completions")]
    public async Task A_key_in_the_url_is_refused_and_stands_in_no_log(string target)
    {
        target = target.Replace("{key}", ingress.Key, StringComparison.Ordinal).Replace("{tail}", ingress.Key[8..], StringComparison.Ordinal);
        // With a good key in its place, and without.
        foreach (var request in (string[])[ingress.Post(target, Chat), $"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}"])
        {
            RawAnswer? answer = null;
            var counted = await ingress.CountAsync(async () => answer = await ingress.SendAsync(request));
            answer!.Status.ShouldBe(401, answer.Text);
            IngressProduct.ErrorMessage("openai", answer.Text).ShouldContain("must not stand in the URL");
            answer.Text.ShouldNotContain(ingress.Key[8..]);
            counted.ShouldBe((0, 0));
        }

        var secret = ingress.Key[8..];
        Product.Log.Lines.ShouldNotContain(l => l.Contains(secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Googles_key_parameter_works_and_stays_here()
    {
        foreach (var query in (string[])["?key={key}", "?alt=json&key={key}", "?%6bey={key}&alt=json", "?key=mk%5flive%5f{tail}", "?KEY=AIzaOther&key={key}"])
        {
            var filled = query.Replace("{key}", ingress.Key, StringComparison.Ordinal).Replace("{tail}", ingress.Key[8..], StringComparison.Ordinal);
            var answer = await ingress.SendAsync($"POST /proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent{filled} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}");
            if (query.Contains("KEY", StringComparison.Ordinal))
            {
                answer!.Status.ShouldBe(401);
                continue;
            }

            answer!.Status.ShouldBe(200, answer.Text);
            ingress.LastRequest.Line.ShouldNotContain("key", Case.Insensitive);
            ingress.LastRequest.Header("x-goog-api-key").ShouldBe(IngressProduct.ProviderKey);
        }
    }

    [Theory]
    [InlineData("sk-a\r\nX-Injected: b")]
    [InlineData("sk-a\nb")]
    [InlineData("sk-a\rb")]
    [InlineData("sk-a\0b")]
    [InlineData("sk-a b")]
    [InlineData("sk-a\n")]
    [InlineData("sk-a\u00e4")]
    [InlineData("sk-a\u007f")]
    [InlineData("sk-a\u2028b")]
    [InlineData("")]
    public async Task A_provider_key_that_could_split_a_header_is_not_stored(string secret)
    {
        using var answer = await Product.ApiAsync(HttpMethod.Post, "credentials", JsonContent.Create(new { provider = "voyage", secret }));

        ((int)answer.StatusCode).ShouldBe(422);
        (await answer.Content.ReadAsStringAsync()).ShouldNotContain("sk-a");
    }

    [Theory]
    [InlineData("a\r\nb")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    [InlineData("a\u001bb")]
    [InlineData("a\u0085b")]
    public async Task A_tag_of_a_key_is_text(string value)
    {
        using var answer = await Product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "tagged", environment = "test", tags = new Dictionary<string, string> { ["customer"] = value } }));

        ((int)answer.StatusCode).ShouldBe(422);
    }

    [Fact]
    public async Task A_sealed_key_that_is_moved_to_another_tenant_opens_for_nobody()
    {
        var (mine, theirs) = (await Product.ProvisionAsync("mine", new Dictionary<string, string> { ["openai"] = "sk-mine-0123456789abcdef" }), await Product.ProvisionAsync("theirs", new Dictionary<string, string> { ["openai"] = "sk-theirs-0123456789abcdef" }));
        await CallAsync(mine.LiveKey.Secret, 200);
        ingress.LastRequest.Header("Authorization").ShouldBe("Bearer sk-mine-0123456789abcdef");

        await using (var database = new SqliteConnection($"Data Source={Directory.GetFiles(Product.DataFolder, "*.db").Single()}"))
        {
            await database.OpenAsync();
            await using var command = database.CreateCommand();
            // Each tenant's row gets the sealed text and the wrapped key of the other; the change is marked, so that it is read.
            command.CommandText = """
                CREATE TEMP TABLE swapped AS SELECT tenant_id, wrapped_key, ciphertext, kek_id FROM secrets WHERE tenant_id IN ($a, $b) AND purpose = 'provider-credential';
                UPDATE secrets SET (wrapped_key, ciphertext, kek_id) = (SELECT wrapped_key, ciphertext, kek_id FROM swapped AS s WHERE s.tenant_id <> secrets.tenant_id) WHERE tenant_id IN ($a, $b) AND purpose = 'provider-credential';
                """;
            command.Parameters.AddWithValue("$a", mine.TenantId);
            command.Parameters.AddWithValue("$b", theirs.TenantId);
            await command.ExecuteNonQueryAsync();
        }

        // Any change of the tenants has them read anew.
        await using var scope = Product.Services.CreateAsyncScope();
        foreach (var tenant in (string[])[mine.TenantId, theirs.TenantId])
            (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new CreateKey(Caller.Operator, tenant, "another", KeyEnvironment.Live))).Succeeded.ShouldBeTrue();
        var before = ingress.Provider.Requests.Count;

        (await CallAsync(mine.LiveKey.Secret, 401, "/proxy/openai/v1/chat/completions")).Text.ShouldContain("no_provider_key");
        (await CallAsync(theirs.LiveKey.Secret, 401, "/proxy/openai/v1/chat/completions")).Text.ShouldContain("no_provider_key");
        ingress.Provider.Requests.Count.ShouldBe(before);
        Product.Log.Lines.ShouldContain(l => l.Contains("can't be opened", StringComparison.Ordinal) && l.Contains(mine.TenantId, StringComparison.Ordinal));
        await CallAsync(ingress.Key, 200);
    }

    [Fact]
    public async Task No_key_of_any_kind_stands_in_a_file_of_the_data_folder()
    {
        await CallAsync(ingress.Key, 200);
        await Product.FlushAsync();
        byte[][] secrets = [.. new[] { Product.LiveKey[18..], Product.TestKey[18..], Product.Token[12..], IngressProduct.ProviderKey }.Select(Encoding.UTF8.GetBytes)];

        var files = 0;
        foreach (var file in Directory.GetFiles(Product.DataFolder, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var copy = new MemoryStream();
            await stream.CopyToAsync(copy);
            files++;
            foreach (var secret in secrets)
                copy.ToArray().AsSpan().IndexOf(secret).ShouldBe(-1, file);
        }

        files.ShouldBeGreaterThan(1);
    }

    private async Task<RawAnswer> CallAsync(string key, int status, string target = "/v1/chat/completions")
    {
        var answer = (await ingress.SendAsync($"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}")).ShouldNotBeNull();
        answer.Status.ShouldBe(status, answer.Text);
        return answer;
    }
}
