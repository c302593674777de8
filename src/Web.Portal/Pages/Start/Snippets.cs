namespace Tokonomics.Web.Portal.Pages.Start;

/// <summary>A program that makes one call through the proxy, with the reader's own address and key in it.</summary>
/// <param name="Language">What its tab says.</param>
public sealed record Snippet(string Id, string Language, string Text);

/// <summary>
/// The first call in each language, for both key modes. Tests run them as a page shows them: curl's, Node's and C#'s with what they name, Python's with a stand-in for its
/// package (by hand with openai 3.3.1 itself, 2026-11-29). Go's is held to gofmt and was read against the source of openai-go 3.52; no test compiles it.
/// </summary>
public static class Snippets
{
    // A cheap chat model of each provider that speaks OpenAI's chat completions; each stands in the provider's price sheet. The name before the slash says where a call goes.
    private static readonly Dictionary<string, string> Models = new(StringComparer.Ordinal)
    {
        ["openai"] = "gpt-4o-mini",
        ["anthropic"] = "anthropic/claude-haiku-4-5",
        ["gemini"] = "gemini/gemini-2.5-flash",
        ["deepseek"] = "deepseek/deepseek-chat",
        ["mistral"] = "mistral/mistral-small-latest",
        ["groq"] = "groq/llama-3.1-8b-instant",
        ["xai"] = "xai/grok-3-mini",
        ["openrouter"] = "openrouter/openai/gpt-4o-mini",
        ["cerebras"] = "cerebras/llama3.1-8b",
        ["cohere"] = "cohere/command-r7b-12-2024",
    };

    public static IReadOnlyDictionary<string, string> ModelOfProvider => Models;

    /// <summary>The model of the first of these providers that has one here; OpenAI's where none has.</summary>
    public static string ModelOf(IEnumerable<string> providers) => providers.Select(p => Models.GetValueOrDefault(p)).FirstOrDefault(m => m is not null) ?? Models["openai"];

    /// <param name="baseUrl">Where calls go, without a slash at its end.</param>
    /// <param name="key">The metering key, or a placeholder once it can't be shown any more.</param>
    /// <param name="model">One that the key reaches.</param>
    /// <param name="ownProviderKey">The provider key stays with the application and is passed through; the metering key goes in a header of its own.</param>
    public static IReadOnlyList<Snippet> Of(string baseUrl, string key, string model, bool ownProviderKey)
    {
        var url = ownProviderKey ? $"{baseUrl}/proxy/openai/v1" : $"{baseUrl}/v1";
        return
        [
            new("curl", "curl", $$"""
                curl {{url}}/chat/completions \
                  -H "Authorization: Bearer {{(ownProviderKey ? "$OPENAI_API_KEY" : key)}}" \{{(ownProviderKey ? $"\n  -H \"X-Tokonomics-Key: {key}\" \\" : "")}}
                  -H "Content-Type: application/json" \
                  -d '{"model":"{{model}}","messages":[{"role":"user","content":"Hello"}]}'
                """),
            new("python", "Python", $$"""
                from openai import OpenAI

                client = OpenAI(
                    base_url="{{url}}",{{(ownProviderKey ? $"\n    default_headers={{\"X-Tokonomics-Key\": \"{key}\"}},  # api_key stays OPENAI_API_KEY" : $"\n    api_key=\"{key}\",")}}
                )
                answer = client.chat.completions.create(
                    model="{{model}}",
                    messages=[{"role": "user", "content": "Hello"}],
                )
                print(answer.choices[0].message.content)
                """),
            new("node", "Node", $$"""
                import OpenAI from 'openai';

                const client = new OpenAI({
                  baseURL: '{{url}}',{{(ownProviderKey ? $"\n  defaultHeaders: {{ 'X-Tokonomics-Key': '{key}' }}, // apiKey stays OPENAI_API_KEY" : $"\n  apiKey: '{key}',")}}
                });
                const answer = await client.chat.completions.create({
                  model: '{{model}}',
                  messages: [{ role: 'user', content: 'Hello' }],
                });
                console.log(answer.choices[0].message.content);
                """),
            new("csharp", "C#", ownProviderKey
                ? $$"""
                using System.ClientModel;
                using System.ClientModel.Primitives;
                using OpenAI;
                using OpenAI.Chat;

                var options = new OpenAIClientOptions { Endpoint = new Uri("{{url}}") };
                options.AddPolicy(new Metered(), PipelinePosition.PerCall);
                var client = new ChatClient("{{model}}", new ApiKeyCredential(Environment.GetEnvironmentVariable("OPENAI_API_KEY")!), options);
                Console.WriteLine(client.CompleteChat("Hello").Value.Content[0].Text);

                sealed class Metered : PipelinePolicy
                {
                    public override void Process(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int index)
                    {
                        message.Request.Headers.Set("X-Tokonomics-Key", "{{key}}");
                        ProcessNext(message, pipeline, index);
                    }

                    public override ValueTask ProcessAsync(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int index)
                    {
                        message.Request.Headers.Set("X-Tokonomics-Key", "{{key}}");
                        return ProcessNextAsync(message, pipeline, index);
                    }
                }
                """
                : $$"""
                using System.ClientModel;
                using OpenAI;
                using OpenAI.Chat;

                var client = new ChatClient("{{model}}", new ApiKeyCredential("{{key}}"), new OpenAIClientOptions { Endpoint = new Uri("{{url}}") });
                Console.WriteLine(client.CompleteChat("Hello").Value.Content[0].Text);
                """),
            new("go", "Go", $$"""
                package main

                import (
                	"context"
                	"fmt"

                	"github.com/openai/openai-go/v3"
                	"github.com/openai/openai-go/v3/option"
                )

                func main() {
                	client := openai.NewClient(
                		option.WithBaseURL("{{url}}/"),
                		{{(ownProviderKey ? $"option.WithHeader(\"X-Tokonomics-Key\", \"{key}\"), // the API key stays OPENAI_API_KEY" : $"option.WithAPIKey(\"{key}\"),")}}
                	)
                	answer, err := client.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{
                		Model:    "{{model}}",
                		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello")},
                	})
                	if err != nil {
                		panic(err)
                	}
                	fmt.Println(answer.Choices[0].Message.Content)
                }
                """),
        ];
    }
}
