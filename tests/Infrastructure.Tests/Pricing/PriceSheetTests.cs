using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Infrastructure.Tests.Pricing;

/// <summary>The sheets inside the program: that they load, and that what was judged by hand stands in them.</summary>
public sealed class PriceSheetTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);
    private static readonly PriceReading Reading = PriceSheetReader.ReadAll();
    private static readonly PriceBook Book = Reading.ToBook();

    [Theory]
    [InlineData("openai", 90)]
    [InlineData("anthropic", 20)]
    [InlineData("gemini", 40)]
    [InlineData("deepseek", 5)]
    [InlineData("mistral", 40)]
    [InlineData("groq", 30)]
    [InlineData("xai", 20)]
    [InlineData("openrouter", 500)]
    [InlineData("together", 70)]
    [InlineData("fireworks", 100)]
    [InlineData("cerebras", 6)]
    [InlineData("perplexity", 8)]
    [InlineData("cohere", 15)]
    [InlineData("azure-openai", 50)]
    [InlineData("huggingface", 100)]
    [InlineData("vercel-gateway", 200)]
    [InlineData("zai", 10)]
    [InlineData("venice", 50)]
    [InlineData("voyage", 15)]
    [InlineData("sandbox", 4)]
    [InlineData("ollama", 1)]
    [InlineData("vllm", 1)]
    [InlineData("llamacpp", 1)]
    [InlineData("local", 1)]
    public void Every_provider_has_a_sheet_without_errors(string provider, int models)
    {
        Reading.Errors.ShouldBeEmpty();
        Reading.Sheets.Single(sheet => sheet.Provider == provider).Models.Count.ShouldBeGreaterThanOrEqualTo(models);
    }

    [Theory]
    [InlineData("sandbox", "sandbox-small", "", "Input=1000000,Output=1000000", "3")] // 1 + 2
    [InlineData("sandbox", "sandbox-small", "", "CacheRead=1000000,CacheWrite=1000000,CacheWrite1h=1000000,Reasoning=1000000", "5.35")] // 0.1 + 1.25 + 2 + 2
    [InlineData("sandbox", "sandbox-large", "", "Input=1000000,Output=1000000", "50")] // 10 + 40
    [InlineData("sandbox", "sandbox-embed", "", "Input=1000000", "0.1")]
    [InlineData("sandbox", "sandbox-image", "", "Image=3", "0.06")]
    [InlineData("sandbox", "sandbox-anything", "", "Input=1000000", "1")]
    [InlineData("openai", "gpt-5.4", "", "Input=271999", "0.6799975")] // x 2.5
    [InlineData("openai", "gpt-5.4", "", "Input=272000", "1.36")] // x 5: long from exactly 272,000 on
    [InlineData("openai", "gpt-5.4", "service_tier=flex", "Input=272000", "0.68")]
    [InlineData("openai", "gpt-5.4-2026-03-05", "service_tier=priority", "Output=1000000", "30")] // 2 x 15
    [InlineData("openai", "o4-mini", "service_tier=priority", "Input=1000000,CacheRead=1000000", "2.5")] // 2 + 0.5, no single factor
    [InlineData("openai", "gpt-4o-audio-preview-2025-06-03", "", "InputAudio=1000000,OutputAudio=1000000", "120")] // 40 + 80
    [InlineData("openai", "gpt-4o-mini-audio-preview", "", "InputAudio=1000000,OutputAudio=1000000", "30")] // 10 + 20
    [InlineData("openai", "dall-e-3", "image=1024x1024", "Image=1", "0.04")]
    [InlineData("openai", "dall-e-3", "image=1792x1024/hd", "Image=1", "0.12")]
    [InlineData("openai", "gpt-image-1", "image=1024x1024/high", "Image=1", "0.167")]
    [InlineData("openai", "whisper-1", "", "AudioMilliseconds=60000", "0.006")] // a minute at 0.36 an hour
    [InlineData("openai", "tts-1", "", "Character=1000", "0.015")]
    [InlineData("openai", "omni-moderation-latest", "", "Input=1000", "0")]
    [InlineData("openai", "gpt-4.1", "", "WebSearch=1,FileSearch=1,CodeExecution=1", "0.0425")] // 0.01 + 0.0025 + 0.03
    [InlineData("anthropic", "claude-opus-4-6", "inference_geo=us", "Input=1000000", "5.5")]
    [InlineData("anthropic", "claude-opus-4-6", "inference_geo=us;speed=fast", "Output=1000000", "165")] // 25 x 6 x 1.1
    [InlineData("anthropic", "claude-opus-4-6-20260205", "", "Input=200001", "1.000005")] // no long-context rate since 2026-03-13
    [InlineData("anthropic", "claude-sonnet-4-5-20250929", "", "Input=200001", "1.200006")] // x 6
    [InlineData("anthropic", "claude-sonnet-4-5", "", "CacheWrite=1000,CacheWrite1h=1000,WebSearch=1", "0.01975")] // 0.00375 + 0.006 + 0.01
    [InlineData("gemini", "models/gemini-2.5-pro-preview-06-05", "", "Input=200000", "0.25")]
    [InlineData("gemini", "gemini-2.5-pro", "", "Input=200001,Reasoning=10", "0.5001525")] // x 2.5, and 10 x 15
    [InlineData("gemini", "gemini-2.5-pro-exp-tts", "", "Output=1000000", "20")]
    [InlineData("gemini", "gemini-2.5-flash", "", "InputAudio=1000000,CacheReadAudio=1000000,GroundedPrompt=1", "1.135")] // 1 + 0.1 + 0.035
    [InlineData("gemini", "gemma-3-27b-it", "", "Input=1000", "0")]
    [InlineData("mistral", "mistral-large-latest", "", "Input=1000000,Output=1000000", "2")] // 0.5 + 1.5
    [InlineData("mistral", "mistral-small-latest", "", "Input=1000000,Output=1000000", "0.75")] // 0.15 + 0.6
    [InlineData("mistral", "mistral-ocr-latest", "", "Page=10", "0.04")]
    [InlineData("deepseek", "deepseek-chat", "", "Input=1000000,CacheRead=1000000,Output=1000000", "0.887")] // a Saturday: 0.22 + 0.007 + 0.66
    [InlineData("perplexity", "sonar", "", "Input=1000,Output=1000", "0.007")] // 0.001 + 0.001 + 0.005
    [InlineData("perplexity", "sonar", "search_context=medium", "Input=1000", "0.009")]
    [InlineData("perplexity", "sonar-pro", "search_context=high", "Input=1000", "0.017")] // 0.003 + 0.014
    [InlineData("cohere", "rerank-v3.5", "", "SearchUnit=1", "0.002")]
    [InlineData("xai", "grok-4-fast-reasoning", "", "WebSearch=1", "0.005")]
    [InlineData("azure-openai", "gpt-4o-2024-11-20", "", "Input=1000000", "2.5")]
    [InlineData("azure-openai", "DeepSeek-R1", "", "Input=1000000,Output=1000000", "6.75")] // 1.35 + 5.4
    [InlineData("openrouter", "meta-llama/llama-3.3-70b-instruct:free", "", "Input=1000", "0")]
    [InlineData("openrouter", "openai/gpt-5.4:nitro", "", "Input=1000", "0.0025")]
    [InlineData("ollama", "qwen3:8b", "", "Input=1000,Output=1000", "0")]
    [InlineData("groq", "whisper-large-v3-turbo", "", "AudioMilliseconds=3600000", "0.04")]
    public void A_known_call_has_its_known_cost(string provider, string model, string hints, string usage, string usd) =>
        Rating.Exact(Book.Find(provider, model, At), TokenUsage.Parse(usage), hints).ShouldBe(decimal.Parse(usd));

    [Theory]
    [InlineData("2026-08-16T23:59:59Z", "0.14")] // before the rates of 2026-08-17, a peak hour or not
    [InlineData("2026-08-17T00:59:59Z", "0.22")] // a Monday
    [InlineData("2026-08-17T01:00:00Z", "0.44")]
    [InlineData("2026-08-17T04:00:00Z", "0.22")]
    [InlineData("2026-08-17T09:59:59Z", "0.44")]
    [InlineData("2026-08-17T10:00:00Z", "0.22")]
    [InlineData("2026-08-22T02:00:00Z", "0.22")] // weekends are off-peak all day
    public void DeepSeek_is_dearer_in_its_peak_hours_on_weekdays(string at, string usd) =>
        Rating.Exact(Book.Find("deepseek", "deepseek-v4-flash", DateTimeOffset.Parse(at)), TokenUsage.Parse("Input=1000000"), "").ShouldBe(decimal.Parse(usd));

    [Theory]
    [InlineData("openai", "gpt-99")]
    [InlineData("gemini", "claude-opus-5")]
    [InlineData("huggingface", "nobody/nothing")]
    [InlineData("openrouter", "openrouter/auto-of-tomorrow")]
    public void What_is_not_listed_is_unknown_and_not_free(string provider, string model) => Book.Find(provider, model, At).ShouldBeNull();

    [Fact]
    public void A_route_of_Hugging_Face_is_named_before_or_behind_the_model()
    {
        var card = Book.Find("huggingface", "together/deepseek-ai/DeepSeek-R1", At).ShouldNotBeNull();
        Book.Find("huggingface", "deepseek-ai/DeepSeek-R1:together", At).ShouldBeSameAs(card);

        // Two routes at two prices: the bare name has none.
        Book.Find("huggingface", "groq/openai/gpt-oss-120b", At).ShouldNotBeNull();
        Book.Find("huggingface", "openai/gpt-oss-120b", At).ShouldBeNull();
    }

    [Theory]
    [InlineData("gpt-5.4", "openai")]
    [InlineData("claude-opus-5", "anthropic")]
    [InlineData("claude-haiku-4-5-20251001", "anthropic")]
    [InlineData("gemini-2.5-pro", "gemini")]
    [InlineData("mistral-large-latest", "mistral")]
    [InlineData("deepseek-chat", "deepseek")]
    [InlineData("grok-4.3", "xai")]
    [InlineData("sandbox-small", "sandbox")]
    public void The_maker_of_a_model_is_named_first(string model, string provider) => Book.ProvidersOf(model)[0].ShouldBe(provider);

    [Fact]
    public void The_canonical_text_brings_back_the_same_book()
    {
        var text = PriceBookText.Write(Book);
        var again = PriceSheetReader.ReadBook(text);
        again.Version.ShouldBe(Book.Version);
        PriceBookText.Write(again).ShouldBe(text);
        Book.Version.ShouldMatch("^2026-11-21-[0-9a-f]{8}$");

        var own = PriceSheetReader.Read([("own", """{ "provider": "openai", "source": ["https://example.com"], "checked": "2026-11-20", "models": { "gpt-5.4": { "input": "1" } } }""")]).ToBook();
        var overlay = PriceSheetReader.ReadBook(PriceBookText.Write(Book.Overlay(own)));
        overlay.Version.ShouldBe($"{Book.Version}+{own.Version}");
        overlay.Find("openai", "gpt-5.4", At)!.Rates[UsageUnit.Input].ShouldBe(1m);
    }

    [Fact]
    public void Every_name_of_every_model_leads_somewhere()
    {
        foreach (var sheet in Reading.Sheets)
            foreach (var model in sheet.Models)
                foreach (var name in model.Aliases.Prepend(model.Name).Where(name => !NamePattern.IsPattern(name)))
                    Book.FindModel(sheet.Provider, name).ShouldBeSameAs(model, $"{sheet.Provider}: {name}");
    }
}
