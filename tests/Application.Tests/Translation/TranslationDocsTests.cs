using System.Text;
using Tokonomics.Application.Translation;
using Tokonomics.Testing;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>
/// The table of docs/routing/translation.md is what the code does: each row is a request of each dialect that says one thing, put through every translation.
/// <c>TOKONOMICS_WRITE_DOCS=1</c> writes it anew.
/// </summary>
public sealed class TranslationDocsTests
{
    private const string Begin = "<!-- Made by tests/Application.Tests from what the code does; TOKONOMICS_WRITE_DOCS=1 writes it anew. -->\n";
    private const string End = "<!-- End of what is made. -->\n";

    private const string Tool = """{"name":"f","description":"d","parameters":{"type":"object"}}""";
    private const string AnthropicTool = """{"name":"f","description":"d","input_schema":{"type":"object"}}""";

    // What is said, and how in chat, Anthropic's messages, Gemini and Responses: fields beside a question, or (with a brace) a whole body.
    private static readonly (string Says, string? Chat, string? Anthropic, string? Gemini, string? Responses)[] Rows =
    [
        ("system prompt", Ask("system", "s"), "\"system\":\"s\"", "\"systemInstruction\":{\"parts\":[{\"text\":\"s\"}]}", "\"instructions\":\"s\""),
        ("instruction between a question and its answer", Turns("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"system\",\"content\":\"s\"}"), Claude("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"system\",\"content\":\"s\"}"), null, "{\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"developer\",\"content\":\"s\"}]}"),
        ("image in base64", Turns("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]}"), Claude("{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"AAAA\"}}]}"), Parts("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}"), Input("{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AAAA\"}")),
        ("image by its https address", Turns("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.com/a.png\"}}]}"), Claude("{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://example.com/a.png\"}}]}"), Parts("{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":\"https://example.com/a.png\"}}"), Input("{\"type\":\"input_image\",\"image_url\":\"https://example.com/a.png\"}")),
        ("how finely an image is looked at", Turns("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.com/a.png\",\"detail\":\"low\"}}]}"), null, "\"generationConfig\":{\"mediaResolution\":\"MEDIA_RESOLUTION_LOW\"}", Input("{\"type\":\"input_image\",\"image_url\":\"https://example.com/a.png\",\"detail\":\"low\"}")),
        ("PDF in base64", Turns("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,AAAA\"}}]}"), Claude("{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"AAAA\"}}]}"), Parts("{\"inlineData\":{\"mimeType\":\"application/pdf\",\"data\":\"AAAA\"}}"), Input("{\"type\":\"input_file\",\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,AAAA\"}")),
        ("PDF by its https address", null, Claude("{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"https://example.com/a.pdf\"}}]}"), Parts("{\"fileData\":{\"mimeType\":\"application/pdf\",\"fileUri\":\"https://example.com/a.pdf\"}}"), Input("{\"type\":\"input_file\",\"file_url\":\"https://example.com/a.pdf\"}")),
        ("sound (wav, mp3)", Turns("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}}]}"), null, Parts("{\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":\"AAAA\"}}"), null),
        ("a file kept at the provider", Turns("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]}"), Claude("{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}]}"), Parts("{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":\"https://generativelanguage.googleapis.com/v1beta/files/1\"}}"), Input("{\"type\":\"input_file\",\"file_id\":\"file-1\"}")),
        ("tools", Tools($"{{\"type\":\"function\",\"function\":{Tool}}}"), Tools(AnthropicTool), Tools($"{{\"functionDeclarations\":[{Tool}]}}"), Tools($"{{\"type\":\"function\",{Tool[1..]}")),
        ("strict tools", Tools("{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true}}"), Tools("{\"name\":\"f\",\"strict\":true,\"input_schema\":{\"type\":\"object\"}}"), Tools($"{{\"functionDeclarations\":[{Tool}]}}") + ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}}", Tools("{\"type\":\"function\",\"name\":\"f\",\"strict\":true}")),
        ("the provider's own tools", Tools("{\"type\":\"web_search\"}"), Tools("{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}"), Tools("{\"googleSearch\":{}}"), Tools("{\"type\":\"web_search\"}")),
        ("tool choice: none, any, one", Tools($"{{\"type\":\"function\",\"function\":{Tool}}}") + ",\"tool_choice\":\"required\"", Tools(AnthropicTool) + ",\"tool_choice\":{\"type\":\"any\"}", Tools($"{{\"functionDeclarations\":[{Tool}]}}") + ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\"}}", Tools($"{{\"type\":\"function\",{Tool[1..]}") + ",\"tool_choice\":\"required\""),
        ("one call at a time", Tools($"{{\"type\":\"function\",\"function\":{Tool}}}") + ",\"parallel_tool_calls\":false", Tools(AnthropicTool) + ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}", null, Tools($"{{\"type\":\"function\",{Tool[1..]}") + ",\"parallel_tool_calls\":false"),
        ("calls and their results", Turns("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"y\"}"), Claude("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c\",\"content\":\"y\"}]}"), "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}}}]},{\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"y\"}}}]}]}", "{\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"y\"}]}"),
        ("a result says that the call failed", null, Claude("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c\",\"content\":\"y\",\"is_error\":true}]}"), "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}}}]},{\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"error\":\"y\"}}}]}]}", null),
        ("a result shows an image", null, Claude("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"AAAA\"}}]}]}"), "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}}}]},{\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{},\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}]}}]}]}", "{\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AAAA\"}]}]}"),
        ("an answer that is begun (prefill)", Turns("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\"}"), Claude("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\"}"), "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"y\"}]}]}", "{\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\"}]}"),
        ("thoughts of earlier answers", Turns("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\",\"reasoning_content\":\"z\"},{\"role\":\"user\",\"content\":\"x\"}"), Claude("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"z\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":\"y\"}]},{\"role\":\"user\",\"content\":\"x\"}"), "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"y\",\"thoughtSignature\":\"z\"}]},{\"parts\":[{\"text\":\"x\"}]}]}", "{\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]},{\"role\":\"assistant\",\"content\":\"y\"},{\"role\":\"user\",\"content\":\"x\"}]}"),
        ("JSON by a schema", "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}}", "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}}", "\"generationConfig\":{\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}", "\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}}"),
        ("JSON by a schema that leaves something open", null, "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}}}", "\"generationConfig\":{\"responseMimeType\":\"application/json\",\"responseSchema\":{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\"}}}}", null),
        ("JSON of any kind", "\"response_format\":{\"type\":\"json_object\"}", null, "\"generationConfig\":{\"responseMimeType\":\"application/json\"}", "\"text\":{\"format\":{\"type\":\"json_object\"}}"),
        ("limit of output tokens", "\"max_completion_tokens\":9", Claude("{\"role\":\"user\",\"content\":\"x\"}"), "\"generationConfig\":{\"maxOutputTokens\":9}", "\"max_output_tokens\":9"),
        ("temperature up to 1, top_p", "\"temperature\":0.5,\"top_p\":0.5", "\"temperature\":0.5,\"top_p\":0.5", "\"generationConfig\":{\"temperature\":0.5,\"topP\":0.5}", "\"temperature\":0.5,\"top_p\":0.5"),
        ("temperature above 1", "\"temperature\":1.5", null, "\"generationConfig\":{\"temperature\":1.5}", "\"temperature\":1.5"),
        ("top_k", null, "\"top_k\":5", "\"generationConfig\":{\"topK\":5}", null),
        ("seed", "\"seed\":5", null, "\"generationConfig\":{\"seed\":5}", null),
        ("presence and frequency penalty", "\"presence_penalty\":0.5,\"frequency_penalty\":0.5", null, "\"generationConfig\":{\"presencePenalty\":0.5,\"frequencyPenalty\":0.5}", null),
        ("up to four stop sequences", "\"stop\":[\"a\",\"b\"]", "\"stop_sequences\":[\"a\",\"b\"]", "\"generationConfig\":{\"stopSequences\":[\"a\",\"b\"]}", null),
        ("whom the client serves", "\"user\":\"u\"", "\"metadata\":{\"user_id\":\"u\"}", null, "\"safety_identifier\":\"u\""),
        ("effort low, medium, high", "\"reasoning_effort\":\"low\"", "\"output_config\":{\"effort\":\"low\"}", "\"generationConfig\":{\"thinkingConfig\":{\"thinkingLevel\":\"LOW\"}}", "\"reasoning\":{\"effort\":\"low\"}"),
        ("another effort", "\"reasoning_effort\":\"none\"", "\"output_config\":{\"effort\":\"max\"}", "\"generationConfig\":{\"thinkingConfig\":{\"thinkingLevel\":\"MINIMAL\"}}", "\"reasoning\":{\"effort\":\"xhigh\"}"),
        ("budget of thoughts", null, "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}", "\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":2000}}", null),
        ("thinking on or off", null, "\"thinking\":{\"type\":\"adaptive\"}", null, null),
        ("several answers", "\"n\":2", null, "\"generationConfig\":{\"candidateCount\":2}", null),
        ("log probabilities", "\"logprobs\":true", null, "\"generationConfig\":{\"responseLogprobs\":true}", "\"top_logprobs\":3"),
        ("sound or images in the answer", "\"modalities\":[\"audio\"]", null, "\"generationConfig\":{\"responseModalities\":[\"IMAGE\"]}", null),
        ("filters", null, null, "\"safetySettings\":[{\"category\":\"HARM_CATEGORY_HARASSMENT\",\"threshold\":\"BLOCK_LOW_AND_ABOVE\"}]", null),
        ("hints for a cache", "\"prompt_cache_key\":\"k\"", "\"cache_control\":{\"type\":\"ephemeral\"}", null, "\"prompt_cache_key\":\"k\""),
        ("content kept in a cache", null, null, "\"cachedContent\":\"cachedContents/1\"", null),
        ("conversation kept at the provider", null, "\"container\":\"c\"", null, "\"previous_response_id\":\"resp_1\""),
        ("labels, storing", "\"store\":true,\"metadata\":{\"a\":\"b\"}", null, "\"labels\":{\"a\":\"b\"}", "\"store\":true,\"metadata\":{\"a\":\"b\"}"),
        ("service tier", "\"service_tier\":\"flex\"", "\"service_tier\":\"standard_only\"", null, "\"service_tier\":\"priority\""),
        ("anything that is not known", "\"new\":1", "\"new\":1", "\"new\":1", "\"new\":1"),
    ];

    [Fact]
    public void The_page_says_what_is_carried()
    {
        var table = new StringBuilder(Begin);
        table.Append("| says | ").AppendJoin(" | ", Spoken.Pairs.Select(p => $"{Short(p.Client)} → {Short(p.Provider)}")).Append(" |\n|---").Append(string.Concat(Enumerable.Repeat("|---", 9))).Append("|\n");
        var reasons = new List<string>();
        foreach (var row in Rows)
            table.Append($"| {row.Says} | ").AppendJoin(" | ", Spoken.Pairs.Select(p => Cell(p, row))).Append(" |\n");
        table.Append('\n');
        for (var i = 0; i < reasons.Count; i++)
            table.Append($"{i + 1}. {reasons[i]}\n");
        table.Append(End);

        var file = Path.Combine(TestFolder.Root, "docs", "routing", "translation.md");
        var page = File.ReadAllText(file);
        var (from, to) = (page.IndexOf(Begin, StringComparison.Ordinal), page.IndexOf(End, StringComparison.Ordinal) + End.Length);
        if (Environment.GetEnvironmentVariable("TOKONOMICS_WRITE_DOCS") == "1")
            File.WriteAllText(file, page[..from] + table + page[to..]);
        else
            page[from..to].ShouldBe(table.ToString(), "TOKONOMICS_WRITE_DOCS=1 dotnet test tests/Application.Tests writes it");

        string Cell((string Client, string Provider) pair, (string Says, string? Chat, string? Anthropic, string? Gemini, string? Responses) row)
        {
            var said = pair.Client switch { "openai-chat" => row.Chat, "anthropic-messages" => row.Anthropic, "gemini-generate" => row.Gemini, _ => row.Responses };
            if (said is null)
                return "";
            var body = said.StartsWith('{') ? said : $"{{{Question(pair.Client)},{said}}}";
            var request = Translator.Between(pair.Client, pair.Provider)!.Request(Encoding.UTF8.GetBytes(body), Spoken.Target());
            var why = (request.IsRefused ? request.Refused : request.Notes).Select(n => n.Why).Distinct().ToList();
            return (request.IsRefused ? "refused" : why.Count > 0 ? "noted" : "yes") + string.Concat(why.Select(w => $" <sup>{Number(w)}</sup>"));
        }

        int Number(string why)
        {
            if (!reasons.Contains(why))
                reasons.Add(why);
            return reasons.IndexOf(why) + 1;
        }
    }

    private static string Short(string dialect) => dialect switch { "openai-chat" => "chat", "anthropic-messages" => "Anthropic", "gemini-generate" => "Gemini", _ => "Responses" };

    private static string Question(string client) => client switch
    {
        "anthropic-messages" => "\"max_tokens\":4000,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]",
        "gemini-generate" => "\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]",
        "openai-responses" => "\"input\":\"x\"",
        _ => "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]",
    };

    private static string Ask(string role, string text) => $"{{\"messages\":[{{\"role\":\"{role}\",\"content\":\"{text}\"}},{{\"role\":\"user\",\"content\":\"x\"}}]}}";

    private static string Turns(string messages) => $"{{\"messages\":[{messages}]}}";

    private static string Claude(string messages) => $"{{\"max_tokens\":4000,\"messages\":[{messages}]}}";

    private static string Parts(string part) => $"{{\"contents\":[{{\"parts\":[{part}]}}]}}";

    private static string Input(string part) => $"{{\"input\":[{{\"role\":\"user\",\"content\":[{part}]}}]}}";

    private static string Tools(string tool) => $"\"tools\":[{tool}]";
}
