using System.Text;
using System.Text.Json;
using Tokonomics.Application.Tests.Dialects;
using Tokonomics.Application.Translation;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>Every recorded exchange that can be carried goes through each translation, and nothing of it is lost.</summary>
public sealed class CorpusTranslationTests(ITestOutputHelper output)
{
    // Some recordings lack the content type.
    private static bool IsStream(Exchange e) => new[] { "data:", "event:", ":" }.Any(s => e.Response.AsSpan().TrimStart("\r\n"u8).StartsWith(Encoding.UTF8.GetBytes(s)));

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
                var answer = Translator.Between(client, provider)!.Answer(e.Response, new AnswerWishes(null, Spoken.At));
                if (answer is null)
                {
                    unread++;
                    output.WriteLine($"  unread: {e.Id} {Encoding.UTF8.GetString(e.Response.AsSpan(0, Math.Min(80, e.Response.Length)))}");
                    continue;
                }

                translated++;
                noted += answer.Notes.Count > 0 ? 1 : 0;
                var before = Spoken.ReadAnswer(provider, Encoding.UTF8.GetString(e.Response));
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
                var (before, whole, error) = Spoken.Collect(provider, e.Response);
                var text = Spoken.Stream(client, provider, e.Response);
                var (after, told, toldError) = Spoken.Collect(client, Encoding.UTF8.GetBytes(text));
                told.ShouldBe(whole, $"{e.Id} {provider} → {client}");
                (toldError is null).ShouldBe(error is null, e.Id);
                if (error is null && whole)
                    Meaning.Answer(after, before.Usage is not null).ShouldBe(Meaning.Answer(before), $"{e.Id} {provider} → {client}");
                (ended, broken, failed) = (ended + (whole ? 1 : 0), broken + (!whole && error is null ? 1 : 0), failed + (error is null ? 0 : 1));

                int[] cuts = [e.Response.Length / 3, (e.Response.Length / 3) + 1, e.Response.Length / 2];
                Spoken.Stream(client, provider, e.Response, null, cuts).ShouldBe(text, e.Id);
                if (e.Response.Length < 4096 && client == Spoken.Pairs.First(p => p.Provider == provider).Client)
                    Spoken.Stream(client, provider, e.Response, null, [.. Enumerable.Range(1, e.Response.Length - 1)]).ShouldBe(text, e.Id);
            }

            output.WriteLine($"{provider} → {client}: {ended} streams to their end, {broken} broken off, {failed} with an error inside");
            ended.ShouldBeGreaterThan(50);
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
