using System.Buffers;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>A network cuts where it likes: the result must not depend on it.</summary>
public sealed class SplitTests(ITestOutputHelper output)
{
    // Splitting a body of n bytes at every offset reads n² bytes. Bodies up to 3 kB are split at every offset, larger ones at as
    // many, spread evenly and odd, as this many bytes allow; TOKONOMICS_EVERY_SPLIT=1 splits all up to 64 kB at every offset (minutes).
    private const long MaxBytesRead = 9_000_000;

    private static readonly bool Every = Environment.GetEnvironmentVariable("TOKONOMICS_EVERY_SPLIT") == "1";

    private static IEnumerable<Exchange> Streams => Corpus.All.Where(e => e.Stream && e.Response.Length > 0 && Corpus.DialectOf(e) is { } d && d != "free");

    private static int Stride(long length) =>
        Every && length <= 65_536 ? 1 : length * length <= MaxBytesRead ? 1 : (int)(length * length / MaxBytesRead) | 1;

    [Fact]
    public void A_stream_cut_in_two_anywhere_gives_the_same_result()
    {
        long splits = 0;
        Parallel.ForEach(Streams, new ParallelOptions { MaxDegreeOfParallelism = 2 }, e =>
        {
            var (dialect, facts, peek, response) = Corpus.Open(e);
            var whole = Corpus.Meter(e);
            var stride = Stride(e.Response.Length);
            for (var at = 0; at <= e.Response.Length; at += stride)
            {
                var reader = dialect.Read(facts, peek, response);
                reader.Feed(e.Response.AsSpan(0, at));
                reader.Feed(e.Response.AsSpan(at));
                var m = reader.Finish(whole: true);
                if (m.Usage != whole.Usage || m.Source != whole.Source || m.ProviderCost != whole.ProviderCost || m.Model != whole.Model || m.FinishReason != whole.FinishReason)
                    Corpus.Tell(m).ShouldBe(Corpus.Tell(whole), $"{e.Id} split at {at}");
                Interlocked.Increment(ref splits);
            }
        });
        output.WriteLine($"{splits} splits of {Streams.Count()} streams");
    }

    [Fact]
    public void Any_answer_fed_byte_by_byte_gives_the_same_result()
    {
        foreach (var e in Corpus.All.Where(e => Corpus.DialectOf(e) is not null))
        {
            var (dialect, facts, peek, response) = Corpus.Open(e);
            var reader = dialect.Read(facts, peek, response);
            foreach (ref readonly var b in e.Response.AsSpan())
                reader.Feed(new ReadOnlySpan<byte>(in b));
            Corpus.Tell(reader.Finish(whole: true)).ShouldBe(Corpus.Tell(Corpus.Meter(e)), e.Id);
        }
    }

    [Fact]
    public void An_answer_cut_short_is_never_reported_with_partial_figures()
    {
        long cuts = 0;
        foreach (var e in Corpus.All.Where(e => Corpus.DialectOf(e) is { } d && d != "free" && e.Response.Length > 0))
        {
            var full = Corpus.Meter(e);
            var (dialect, facts, peek, response) = Corpus.Open(e);
            var stride = Math.Max(1, (e.Response.Length / 100) | 1);
            for (var at = 0; at < e.Response.Length; at += stride)
            {
                var reader = dialect.Read(facts, peek, response);
                reader.Feed(e.Response.AsSpan(0, at));
                var m = reader.Finish(whole: false);
                cuts++;
                if (m.Source == UsageSource.Reported)
                    (m.Usage.InputTokens, m.Usage.CacheReadTokens, m.Usage.CacheWriteTokens, m.Usage.OutputTokens).ShouldBe(
                        (full.Usage.InputTokens, full.Usage.CacheReadTokens, full.Usage.CacheWriteTokens, full.Usage.OutputTokens),
                        $"{e.Id} cut at {at} of {e.Response.Length}: {Corpus.Tell(m)} but in full {Corpus.Tell(full)}");
            }
        }

        output.WriteLine($"{cuts} cuts");
    }

    [Fact]
    public void The_chunk_filter_takes_out_the_usage_chunk_and_nothing_else_however_cut()
    {
        var swallowed = 0;
        var whole = new ArrayBufferWriter<byte>();
        var split = new ArrayBufferWriter<byte>();
        foreach (var e in Streams.Where(e => Corpus.DialectOf(e) is "openai-chat" && e.Status == 200))
        {
            // Events of these recordings end in an empty line; the expected bytes are those without the one that has usage and no choices.
            var filter = new UsageChunkFilter();
            whole.ResetWrittenCount();
            filter.Write(e.Response, whole);
            filter.Flush(whole);
            swallowed += filter.Swallowed;
            filter.Swallowed.ShouldBeLessThanOrEqualTo(2, e.Id); // llama.cpp sends one for each of two choices
            if (filter.Swallowed == 0)
                whole.WrittenSpan.SequenceEqual(e.Response).ShouldBeTrue(e.Id);
            else
                whole.WrittenCount.ShouldBeLessThan(e.Response.Length);

            var stride = Math.Max(1, (e.Response.Length / 150) | 1);
            for (var at = 0; at <= e.Response.Length; at += stride)
            {
                filter = new UsageChunkFilter();
                split.ResetWrittenCount();
                filter.Write(e.Response.AsSpan(0, at), split);
                filter.Write(e.Response.AsSpan(at), split);
                filter.Flush(split);
                if (!split.WrittenSpan.SequenceEqual(whole.WrittenSpan))
                    Assert.Fail($"{e.Id} split at {at}");
            }
        }

        output.WriteLine($"{swallowed} usage chunks taken out");
        swallowed.ShouldBeGreaterThan(50);
    }
}
