using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Tests.Dialects;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>Every recorded exchange that can be carried goes through each translation, and nothing of it is lost.</summary>
public sealed class CorpusTranslationTests(ITestOutputHelper output)
{
    // Some recordings lack the content type.
    private static bool IsStream(Exchange e) => new[] { "data:", "event:", ":" }.Any(s => e.Response.AsSpan().TrimStart("\r\n"u8).StartsWith(Encoding.UTF8.GetBytes(s)));

    private static AnswerWishes Wishes(Exchange e) => new(null, Spoken.At, Quirks: Corpus.QuirksOf(e));

    // Gemini's streams without alt=sse, which is never asked for.
    private static bool IsArray(Exchange e) => e.Response.AsSpan().StartsWith("["u8);

    private static IEnumerable<Exchange> Of(string dialect) => Corpus.All.Where(e => e.Method == "POST" && Corpus.DialectOf(e) == dialect && IsJson(e.Request));

    private static bool IsJson(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    [Fact]
    public void Requests_keep_their_conversation_and_tools_on_the_way_there_and_back()
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            var (carried, refused) = (0, 0);
            var reasons = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var e in Of(client))
            {
                var request = Translator.Between(client, provider)!.Request(e.Request, Spoken.Target(e.Stream));
                if (request.IsRefused)
                {
                    refused++;
                    foreach (var reason in request.Refused.Select(Reason).Distinct())
                        reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
                    continue;
                }

                carried++;
                var before = Spoken.Read(client, e.Request, new Carriage());
                var carriage = new Carriage();
                var after = Spoken.Read(provider, request.Body, carriage);
                carriage.Refused.ShouldBeEmpty(e.Id);
                Meaning.Content(after).ShouldBe(Meaning.Content(before), $"{e.Id} {client} → {provider}");
                // The proxy's own reading of the provider's dialect, which knows nothing of translations.
                var peek = DialectCatalogue.Find(provider)!.Peek(new("target", "application/json", e.Stream, 0, false), request.Body.Span);
                peek.Problem.ShouldBeNull(e.Id);
                (peek.Model, peek.Stream).ShouldBe(("target", e.Stream), e.Id);
                peek.MaxOutputTokens.ShouldBe(before.MaxOutputTokens?.Value ?? (provider == "anthropic-messages" ? 4096 : null), e.Id);
                if (client == "openai-responses")
                    continue;
                // And back, by the translation the other way.
                var back = Translator.Between(provider, client)!.Request(request.Body, Spoken.Target(e.Stream));
                back.Refusal.ShouldBe("", e.Id);
                Meaning.Content(Spoken.Read(client, back.Body, new Carriage())).ShouldBe(Meaning.Content(before), $"{e.Id} {client} → {provider} → {client}");
            }

            output.WriteLine($"{client} → {provider}: {carried} carried, {refused} refused");
            foreach (var (reason, count) in reasons.OrderByDescending(r => r.Value))
                output.WriteLine($"  {count,4} {reason}");
            carried.ShouldBeGreaterThan(50);
        }
    }

    private static string Reason(NotCarried one) => System.Text.RegularExpressions.Regex.Replace(one.Path, @"\[\d+\]", "[]") + ": " + one.Why;

    [Fact]
    public void Answers_keep_text_calls_finish_and_usage()
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            var (translated, unread, noted) = (0, 0, 0);
            foreach (var e in Of(provider).Where(e => e.Status == 200 && !IsStream(e) && !IsArray(e)))
            {
                var answer = Translator.Between(client, provider)!.Answer(e.Response, Wishes(e));
                if (answer is null)
                {
                    unread++;
                    output.WriteLine($"  unread: {e.Id} {Encoding.UTF8.GetString(e.Response.AsSpan(0, Math.Min(80, e.Response.Length)))}");
                    continue;
                }

                translated++;
                noted += answer.Notes.Count > 0 ? 1 : 0;
                var before = Spoken.ReadAnswer(provider, Encoding.UTF8.GetString(e.Response), Corpus.QuirksOf(e));
                var after = Spoken.ReadAnswer(client, Encoding.UTF8.GetString(answer.Body.Span));
                Meaning.Answer(after, before.Usage is not null).ShouldBe(Meaning.Answer(before), $"{e.Id} {provider} → {client}");
            }

            output.WriteLine($"{provider} → {client}: {translated} answers, {noted} with notes, {unread} that are none");
            translated.ShouldBeGreaterThan(50);
        }
    }

    [Fact]
    public void Streams_keep_text_calls_finish_and_usage_however_they_are_cut()
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            var (ended, broken, failed) = (0, 0, 0);
            foreach (var e in Of(provider).Where(e => e.Status == 200 && IsStream(e)))
            {
                var (before, whole, error) = Spoken.Collect(provider, e.Response, Corpus.QuirksOf(e));
                var text = Spoken.Stream(client, provider, e.Response, Wishes(e));
                var (after, told, toldError) = Spoken.Collect(client, Encoding.UTF8.GetBytes(text));
                told.ShouldBe(whole, $"{e.Id} {provider} → {client}");
                (toldError is null).ShouldBe(error is null, e.Id);
                if (error is null && whole)
                    Meaning.Answer(after, before.Usage is not null).ShouldBe(Meaning.Answer(before), $"{e.Id} {provider} → {client}");
                (ended, broken, failed) = (ended + (whole ? 1 : 0), broken + (!whole && error is null ? 1 : 0), failed + (error is null ? 0 : 1));

                int[] cuts = [e.Response.Length / 3, (e.Response.Length / 3) + 1, e.Response.Length / 2];
                Spoken.Stream(client, provider, e.Response, Wishes(e), cuts).ShouldBe(text, e.Id);
                if (e.Response.Length < 4096 && client == Spoken.Pairs.First(p => p.Provider == provider).Client)
                    Spoken.Stream(client, provider, e.Response, Wishes(e), [.. Enumerable.Range(1, e.Response.Length - 1)]).ShouldBe(text, e.Id);
            }

            output.WriteLine($"{provider} → {client}: {ended} streams to their end, {broken} broken off, {failed} with an error inside");
            ended.ShouldBeGreaterThan(50);
        }
    }

    // What the meter, which reads each dialect by itself, makes of the provider's answer and of the translated one.
    [Fact]
    public void The_meter_counts_the_same_before_and_after()
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            var counted = 0;
            // Passes of compaction are in no counter of the answer's top; requests for them aren't carried.
            foreach (var e in Of(provider).Where(e => e.Status == 200 && !IsArray(e) && !Encoding.UTF8.GetString(e.Response).Contains("\"compaction\"", StringComparison.Ordinal)))
            {
                var before = Corpus.Meter(e).Usage;
                var translated = IsStream(e) ? Encoding.UTF8.GetBytes(Spoken.Stream(client, provider, e.Response, Wishes(e))) : Translator.Between(client, provider)!.Answer(e.Response, Wishes(e))?.Body.ToArray();
                if (translated is null || Corpus.Meter(e).Source != UsageSource.Reported)
                    continue;
                var dialect = DialectCatalogue.Find(client)!;
                var facts = new RequestFacts("m", "application/json", client == "gemini-generate" && IsStream(e), 0, false);
                var body = client switch { "gemini-generate" => "{}", _ => $$"""{"model":"m","stream":{{(IsStream(e) ? "true" : "false")}}}""" };
                var reader = dialect.Read(facts, dialect.Peek(facts, Encoding.UTF8.GetBytes(body)), new(200, IsStream(e) ? "text/event-stream" : "application/json"));
                reader.Feed(translated);
                var after = reader.Finish(whole: true).Usage;
                (after.InputTokens, after.CacheReadTokens, after.OutputTokens).ShouldBe((before.InputTokens, before.CacheReadTokens, before.OutputTokens), $"{e.Id} {provider} → {client}");
                counted++;
            }

            output.WriteLine($"{provider} → {client}: {counted} counted the same");
            counted.ShouldBeGreaterThan(50);
        }
    }

    [Fact]
    public void Errors_keep_their_message()
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            foreach (var e in Of(provider).Where(e => e.Status >= 400))
            {
                var (status, body) = Translator.Between(client, provider)!.Error(e.Status, e.Response);
                status.ShouldBeInRange(400, 599);
                using var document = JsonDocument.Parse(body);
                document.RootElement.GetProperty("error").GetProperty("message").GetString().ShouldBe(Errors.Read(e.Status, e.Response).Message, e.Id);
            }
        }
    }
}
