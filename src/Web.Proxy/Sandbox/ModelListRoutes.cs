using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>The list of models, in the shape of whoever asks.</summary>
internal static class ModelListRoutes
{
    public static IEnumerable<(string Name, string Description)> All =>
    [
        .. SandboxModel.Priced,
        .. SandboxModel.Statuses.Select(s => ("sandbox-" + s.Part, s.Description)),
        .. SandboxModel.Behaviours.Select(b => ("sandbox-" + b.Part, b.Description)),
        ("sandbox-words-100", "Answers so many words."),
        ("sandbox-tokens-500", "Answers exactly so many tokens."),
    ];

    public static async Task ListAsync(SandboxCall call)
    {
        await call.BeginAsync("application/json");
        var path = call.Http.Request.Path.Value ?? "";
        if (path.EndsWith("/api/tags", StringComparison.Ordinal))
            await call.SendAsync(new JsonObject { ["models"] = Array(m => new JsonObject { ["name"] = m.Name, ["model"] = m.Name, ["modified_at"] = "2026-01-01T00:00:00Z", ["size"] = 0, ["description"] = m.Description }) });
        else if (path.Contains("v1beta", StringComparison.Ordinal) && !path.Contains("/openai", StringComparison.Ordinal))
            await call.SendAsync(new JsonObject
            {
                ["models"] = Array(m => new JsonObject
                {
                    ["name"] = "models/" + m.Name,
                    ["version"] = "001",
                    ["displayName"] = m.Name,
                    ["description"] = m.Description,
                    ["inputTokenLimit"] = 1_048_576,
                    ["outputTokenLimit"] = 65_536,
                    ["supportedGenerationMethods"] = new JsonArray("generateContent", "countTokens", "embedContent"),
                }),
            });
        else if (call.Http.Request.Headers.ContainsKey("anthropic-version"))
            await call.SendAsync(new JsonObject
            {
                ["data"] = Array(m => new JsonObject { ["type"] = "model", ["id"] = m.Name, ["display_name"] = m.Name, ["created_at"] = "2026-01-01T00:00:00Z", ["description"] = m.Description }),
                ["has_more"] = false,
                ["first_id"] = All.First().Name,
                ["last_id"] = All.Last().Name,
            });
        else
            await call.SendAsync(new JsonObject
            {
                ["object"] = "list",
                ["data"] = Array(m => new JsonObject { ["id"] = m.Name, ["object"] = "model", ["created"] = 1_767_225_600, ["owned_by"] = "sandbox", ["description"] = m.Description }),
            });
    }

    private static JsonArray Array(Func<(string Name, string Description), JsonNode> shape) => new([.. All.Select(shape)]);
}
