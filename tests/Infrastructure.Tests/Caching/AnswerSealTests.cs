using System.Security.Cryptography;
using System.Text;
using Tokonomics.Application.Caching;
using Tokonomics.Application.Secrets;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Caching;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Tests.Caching;

public sealed class AnswerSealTests
{
    private static readonly AnswerName Name = new("ten_a", "epoch", SHA256.HashData("one"u8));

    private static readonly byte[] Plain = Encoding.UTF8.GetBytes("""{"answer":"of somebody"}""");

    [Fact]
    public async Task What_was_sealed_opens_under_its_own_name_alone_and_any_changed_byte_closes_it()
    {
        await using var store = new TempStore();
        var seal = new AnswerSeal(store.Get<MasterKeyRing>());
        var text = seal.Seal(Name, Plain);
        seal.Open(Name, text).ShouldBe(Plain);
        Encoding.Latin1.GetString(text).ShouldNotContain("somebody");
        foreach (var other in new[] { Name with { TenantId = "ten_b" }, Name with { Epoch = "epoch 2" }, Name with { Hash = SHA256.HashData("two"u8) }, Name with { TenantId = "ten_", Epoch = "aepoch" } })
            seal.Open(other, text).ShouldBeNull();
        for (var i = 0; i < text.Length; i++)
        {
            text[i] ^= 1;
            seal.Open(Name, text).ShouldBeNull($"byte {i}");
            text[i] ^= 1;
        }

        for (var length = 0; length < text.Length; length++)
            seal.Open(Name, text.AsSpan(0, length)).ShouldBeNull();
        seal.Open(Name, text).ShouldBe(Plain);
        seal.Seal(Name, Plain).ShouldNotBe(text);
    }

    [Fact]
    public async Task After_a_rotation_what_was_sealed_before_opens_while_its_key_is_in_the_ring_and_not_with_another_ring()
    {
        await using var store = new TempStore();
        var seal = new AnswerSeal(store.Get<MasterKeyRing>());
        var before = seal.Seal(Name, Plain);
        store.Get<IMasterKeys>().Add();
        seal.Open(Name, before).ShouldBe(Plain);
        var after = seal.Seal(Name, Plain);
        after.AsSpan(1, 6).SequenceEqual(before.AsSpan(1, 6)).ShouldBeFalse();

        await using var stranger = new TempStore();
        var other = new AnswerSeal(stranger.Get<MasterKeyRing>());
        other.Open(Name, before).ShouldBeNull();
        other.Open(Name, after).ShouldBeNull();
    }

    [Fact]
    public void An_answer_is_read_as_it_was_written_and_another_versions_or_a_cut_one_is_none()
    {
        foreach (var answer in new[] { Answers.Of("whole"), Answers.Of("") with { Cost = null, RequestModel = null, ResponseModel = null, FinishReason = null, Streamed = true, Headers = [] } })
        {
            var bytes = AnswerFormat.Write(answer);
            var read = AnswerFormat.Read(bytes)!;
            read.Body.ShouldBe(answer.Body);
            read.Headers.ShouldBe(answer.Headers);
            (read with { Body = answer.Body, Headers = answer.Headers }).ShouldBe(answer);
            for (var length = 0; length < bytes.Length; length++)
                AnswerFormat.Read(bytes[..length]).ShouldBeNull();
            AnswerFormat.Read([.. bytes, 0]).ShouldBeNull();
            bytes[0]++;
            AnswerFormat.Read(bytes).ShouldBeNull();
        }

        var dice = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var noise = new byte[dice.Next(200)];
            dice.NextBytes(noise);
            if (noise.Length > 0)
                noise[0] = 1;
            AnswerFormat.Read(noise).ShouldBeNull();
        }
    }
}

internal static class Answers
{
    public static KeptAnswer Of(string body, DateTimeOffset? at = null, TimeSpan? kept = null)
    {
        var from = at ?? new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);
        return new KeptAnswer("req_1", from, from + (kept ?? TimeSpan.FromMinutes(1)), "openai", "openai-chat", "POST /chat/completions", "gpt-5", "gpt-5-2026", "stop", false, new NanoUsd(1234), [new("Content-Type", "application/json")], Encoding.UTF8.GetBytes(body));
    }
}
