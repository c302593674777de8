using System.Security.Cryptography;
using System.Text;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Tests.Secrets;

public sealed class SecretBoxTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_sealed_opens_and_any_changed_byte_fails()
    {
        await using var store = new TempStore();
        var box = store.Get<ISecretBox>();
        var secret = box.Seal("ten_a", "sec_1", "provider-credential", "sk-ä-secret");
        box.Open(secret).ShouldBe("sk-ä-secret");
        foreach (var bytes in new[] { secret.Ciphertext, secret.WrappedKey })
            for (var i = 0; i < bytes.Length; i++)
            {
                bytes[i] ^= 1;
                Should.Throw<CryptographicException>(() => box.Open(secret), $"byte {i}");
                bytes[i] ^= 1;
            }

        box.Open(secret).ShouldBe("sk-ä-secret");
        for (var length = 0; length < secret.Ciphertext.Length; length++)
            Should.Throw<CryptographicException>(() => box.Open(Like(secret, ciphertext: secret.Ciphertext[..length])));
    }

    [Fact]
    public async Task A_secret_moved_to_another_tenant_row_or_purpose_fails()
    {
        await using var store = new TempStore();
        var box = store.Get<ISecretBox>();
        var a = box.Seal("ten_a", "sec_1", "provider-credential", "of a");
        var b = box.Seal("ten_b", "sec_2", "provider-credential", "of b");
        Should.Throw<CryptographicException>(() => box.Open(Like(a, tenant: "ten_b")));
        Should.Throw<CryptographicException>(() => box.Open(Like(a, id: "sec_2")));
        Should.Throw<CryptographicException>(() => box.Open(Like(a, purpose: "webhook")));
        Should.Throw<CryptographicException>(() => box.Open(Like(a, ciphertext: b.Ciphertext)));
        Should.Throw<CryptographicException>(() => box.Open(Like(b, ciphertext: a.Ciphertext, wrapped: a.WrappedKey)));
        Should.Throw<CryptographicException>(() => box.Open(Like(a, kek: "kek_000000000000"))).Message.ShouldContain("has no key kek_000000000000");
    }

    [Fact]
    public async Task A_million_nonces_and_data_keys_are_unique()
    {
        await using var store = new TempStore();
        var box = store.Get<ISecretBox>();
        var nonces = new HashSet<string>();
        for (var i = 0; i < 500_000; i++)
        {
            var secret = box.Seal("ten_a", "sec_1", "p", "the same text");
            nonces.Add(Convert.ToHexString(secret.Ciphertext.AsSpan(1, 12))).ShouldBeTrue();
            nonces.Add(Convert.ToHexString(secret.WrappedKey.AsSpan(1, 12))).ShouldBeTrue();
        }

        nonces.Count.ShouldBe(1_000_000);
    }

    [Fact]
    public async Task Rotation_under_load_fails_no_reader_and_leaves_nothing_under_the_old_key()
    {
        await using var store = await new TempStore().StartAsync();
        await using var other = new TempStore(store.Folder); // a second process, which must find the new key in the file
        var made = await store.ProvisionAsync("Acme", new KeyValuePair<string, string>("openai", "sk-provider-key-of-acme"));
        var box = store.Get<ISecretBox>();
        var old = store.Get<IMasterKeys>().CurrentId;
        using (var scope = Microsoft.Extensions.DependencyInjection.ServiceProviderServiceExtensions.CreateScope(store.Services))
        {
            var db = (TokonomicsDbContext)scope.ServiceProvider.GetService(typeof(TokonomicsDbContext))!;
            for (var i = 0; i < 700; i++)
                db.Secrets.Add(box.Seal(made.TenantId, $"sec_{i}", "test", $"secret {i}"));
            await db.SaveChangesAsync(Cancel);
        }

        using var stop = new CancellationTokenSource();
        long opened = 0;
        var readers = new[] { store, other }.Select(s => Task.Run(() =>
        {
            var random = new Random(1);
            while (!stop.IsCancellationRequested)
            {
                var i = random.Next(700);
                s.Get<ISecretBox>().Open(Row(s, made.TenantId, $"sec_{i}")).ShouldBe($"secret {i}");
                Interlocked.Increment(ref opened);
            }
        })).ToArray();
        var rotated = (await store.SendAsync(new RotateMasterKey(Caller.Operator))).Value;
        await Task.Delay(100, Cancel);
        await stop.CancelAsync();
        await Task.WhenAll(readers);
        opened.ShouldBeGreaterThan(100);
        rotated.Rewrapped.ShouldBe(701);
        rotated.KekId.ShouldNotBe(old);
        store.Count($"SELECT count(*) FROM secrets WHERE kek_id = '{old}'").ShouldBe(0);
        await store.Get<IDirectoryRefresh>().RefreshAsync(Cancel);
        store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!.Tenant.Credentials["openai"].Secret.ShouldBe("sk-provider-key-of-acme"); // the pepper didn't turn with it
        (await store.SendAsync(new RotateMasterKey(Caller.Operator, NewKey: false))).Value.Rewrapped.ShouldBe(0);
    }

    [Fact]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Interoperability", "CA1416", Justification = "Skips on Windows.")]
    public async Task The_key_file_is_its_owners_alone_and_one_that_others_can_read_is_refused()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("needs Unix file modes");
        await using var store = new TempStore();
        var path = Path.Combine(store.Folder, "master.key");
        File.GetUnixFileMode(path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Should.Throw<InvalidOperationException>(() => new TempStore(store.Folder)).Message.ShouldContain("chmod 600");
    }

    [Fact]
    public async Task A_database_without_its_key_file_or_with_another_is_refused_and_no_new_file_is_made()
    {
        await using var store = new TempStore();
        await store.ProvisionAsync();
        var path = Path.Combine(store.Folder, "master.key");
        File.Move(path, path + ".away");
        Should.Throw<InvalidOperationException>(() => new TempStore(store.Folder)).Message.ShouldContain("is missing");
        File.Exists(path).ShouldBeFalse();
        await using var stranger = new TempStore();
        File.Copy(Path.Combine(stranger.Folder, "master.key"), path);
        Should.Throw<InvalidOperationException>(() => new TempStore(store.Folder)).Message.ShouldContain("is not the one");
    }

    [Fact]
    public async Task Keys_from_settings_open_what_they_sealed_and_rotate_by_being_put_first()
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        string[] keys = [.. Enumerable.Range(1, 3).Select(i => Convert.ToBase64String(Enumerable.Repeat((byte)i, 32).ToArray()))];
        TenantProvisioned made;
        await using (var first = new TempStore(folder, settings: s => (s["Secrets:MasterKey"], s["Secrets:Pepper"]) = (keys[0], keys[2])))
        {
            made = await first.ProvisionAsync("Acme", new KeyValuePair<string, string>("openai", "sk-provider-key-of-acme"));
            File.Exists(Path.Combine(folder, "master.key")).ShouldBeFalse();
            Should.Throw<InvalidOperationException>(() => first.Get<IMasterKeys>().Add()).Message.ShouldContain("Secrets:MasterKey");
        }

        await using (var second = await new TempStore(folder, settings: s => (s["Secrets:MasterKey"], s["Secrets:Pepper"]) = ($"{keys[1]},{keys[0]}", keys[2])).StartAsync())
        {
            second.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!.Tenant.Credentials["openai"].Secret.ShouldBe("sk-provider-key-of-acme");
            (await second.SendAsync(new RotateMasterKey(Caller.Operator, NewKey: false))).Value.Rewrapped.ShouldBe(1);
        }

        await using (var third = await new TempStore(folder, settings: s => (s["Secrets:MasterKey"], s["Secrets:Pepper"]) = (keys[1], keys[2])).StartAsync())
            third.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!.Tenant.Credentials["openai"].Secret.ShouldBe("sk-provider-key-of-acme");
        new SecretOptions { MasterKey = keys[0] }.Problem()!.ShouldContain("both or neither");
        new SecretOptions { MasterKey = "c2hvcnQ=", Pepper = keys[0] }.Problem()!.ShouldContain("32 bytes");
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(folder, true);
    }

    [Fact]
    public async Task A_dump_of_the_database_and_the_logs_hold_no_key_and_no_secret()
    {
        await using var store = await new TempStore().StartAsync();
        var secrets = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            var provider = $"sk-canary-{Guid.NewGuid():N}";
            var made = await store.ProvisionAsync($"Tenant {i}", new KeyValuePair<string, string>("openai", provider));
            var replaced = $"sk-canary-{Guid.NewGuid():N}";
            await store.SendAsync(new StoreProviderCredential(Caller.Operator, made.TenantId, "openai", replaced));
            secrets.AddRange([provider, replaced, made.LiveKey.Secret, made.TestKey.Secret, made.ApiToken.Secret]);
            await store.SendAsync(new AuthenticateApiToken(made.ApiToken.Secret));
            store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status.ShouldBe(KeyStatus.Active);
            made.ToString().ShouldNotContain(made.LiveKey.Secret);
        }

        using (var connection = store.Database.Open())
        {
            using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
            command.ExecuteNonQuery();
        }

        foreach (var file in Directory.GetFiles(store.Folder, "tokonomics.db*"))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var bytes = new byte[stream.Length];
            await stream.ReadExactlyAsync(bytes, Cancel);
            foreach (var secret in secrets)
            {
                bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(secret)).ShouldBe(-1, file);
                bytes.AsSpan().IndexOf(Encoding.Unicode.GetBytes(secret)).ShouldBe(-1, file);
                // Not even all but the look-up id and the four last characters.
                bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(secret[18..^4])).ShouldBe(-1, file);
            }

            if (file.EndsWith(".db", StringComparison.Ordinal))
                bytes.AsSpan().IndexOf("Tenant 7"u8).ShouldBeGreaterThan(0); // the search itself works
        }

        foreach (var secret in secrets)
            store.Logs.Text.ShouldNotContain(secret[10..]);
        store.Logs.Text.ShouldContain("INSERT INTO"); // the logs were listened to at their most talkative
    }

    private static SealedSecret Row(TempStore store, string tenant, string id)
    {
        using var connection = store.Database.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT purpose, kek_id, wrapped_key, ciphertext FROM secrets WHERE tenant_id = '{tenant}' AND id = '{id}'";
        using var row = command.ExecuteReader();
        row.Read().ShouldBeTrue();
        return new SealedSecret { TenantId = tenant, Id = id, Purpose = row.GetString(0), KekId = row.GetString(1), WrappedKey = (byte[])row.GetValue(2), Ciphertext = (byte[])row.GetValue(3), CreatedAt = default };
    }

    private static SealedSecret Like(SealedSecret s, string? tenant = null, string? id = null, string? purpose = null, string? kek = null, byte[]? wrapped = null, byte[]? ciphertext = null) => new()
    {
        TenantId = tenant ?? s.TenantId,
        Id = id ?? s.Id,
        Purpose = purpose ?? s.Purpose,
        KekId = kek ?? s.KekId,
        WrappedKey = wrapped ?? s.WrappedKey,
        Ciphertext = ciphertext ?? s.Ciphertext,
        CreatedAt = s.CreatedAt,
    };
}
