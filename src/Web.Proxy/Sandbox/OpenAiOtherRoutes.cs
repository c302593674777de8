using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>OpenAI's routes that are no chat: embeddings, images, speech, transcriptions, moderations.</summary>
internal static class OpenAiOtherRoutes
{
    private const int Dimensions = 8;

    // The smallest PNG there is: one transparent pixel.
    private const string Pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    private static readonly string[] Categories =
        ["harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"];

    public static async Task EmbeddingsAsync(SandboxCall call)
    {
        var input = call.Body.Require("input");
        call.Prompt.Text(input);
        var numbers = input.Items().FirstOrDefault().ValueKind == JsonValueKind.Number;
        if (numbers) call.Units.Input = input.GetArrayLength(); // already tokens
        else call.Prompt.Charge(call.Units);

        await call.BeginAsync("application/json");
        var count = input.ValueKind == JsonValueKind.Array && !numbers ? input.GetArrayLength() : 1;
        var base64 = call.Body.GetText("encoding_format") == "base64";
        var answer = new JsonObject
        {
            ["object"] = "list",
            ["data"] = new JsonArray([.. Enumerable.Range(0, count).Select(i => (JsonNode)new JsonObject
            {
                ["object"] = "embedding",
                ["index"] = i,
                ["embedding"] = base64 ? JsonValue.Create(Base64(Vector(i, Dimensions))) : Numbers(Vector(i, Dimensions)),
            })]),
            ["model"] = call.Model.Name,
        };
        if (call.ReportsUsage) answer["usage"] = new JsonObject { ["prompt_tokens"] = call.Units.Input, ["total_tokens"] = call.Units.Input };
        await call.SendAsync(answer);
    }

    public static async Task ImagesAsync(SandboxCall call)
    {
        call.Body.Require("prompt");
        var count = call.Body.GetChoices("n");
        await call.BeginAsync("application/json");
        call.Units.Images = count; // billed by the piece, so no token usage
        var url = call.Body.GetText("response_format") == "url";
        await call.SendAsync(new JsonObject
        {
            ["created"] = call.Created,
            ["data"] = new JsonArray([.. Enumerable.Range(0, count).Select(i => (JsonNode)(url
                ? new JsonObject { ["url"] = $"https://sandbox.invalid/{call.Suffix}/{i}.png" }
                : new JsonObject { ["b64_json"] = Pixel }))]),
        });
    }

    /// <summary>A tenth of a second of silence, as WAV, whatever format is asked for.</summary>
    public static async Task SpeechAsync(SandboxCall call)
    {
        var input = call.Body.GetText("input") ?? throw new SandboxRefusal(400, "Missing required parameter: 'input'.");
        await call.BeginAsync("audio/wav");
        call.Units.Characters = input.EnumerateRunes().Count();
        const int Bytes = 4_800; // 24 kHz, 16 bit, one channel
        var wav = new byte[44 + Bytes];
        "RIFF"u8.CopyTo(wav);
        BinaryPrimitives.WriteInt32LittleEndian(wav.AsSpan(4), 36 + Bytes);
        "WAVEfmt "u8.CopyTo(wav.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(wav.AsSpan(16), 16);
        BinaryPrimitives.WriteInt16LittleEndian(wav.AsSpan(20), 1);
        BinaryPrimitives.WriteInt16LittleEndian(wav.AsSpan(22), 1);
        BinaryPrimitives.WriteInt32LittleEndian(wav.AsSpan(24), 24_000);
        BinaryPrimitives.WriteInt32LittleEndian(wav.AsSpan(28), 48_000);
        BinaryPrimitives.WriteInt16LittleEndian(wav.AsSpan(32), 2);
        BinaryPrimitives.WriteInt16LittleEndian(wav.AsSpan(34), 16);
        "data"u8.CopyTo(wav.AsSpan(36));
        BinaryPrimitives.WriteInt32LittleEndian(wav.AsSpan(40), Bytes);
        await call.SendAsync(wav);
    }

    /// <summary>Input: a token per 1,000 bytes of the file, and the prompt's; reported as text tokens, for which there is a rate.</summary>
    public static async Task TranscriptionsAsync(SandboxCall call)
    {
        var file = call.Body.Get("file_bytes");
        if (file.ValueKind != JsonValueKind.Number) throw new SandboxRefusal(400, "Missing required parameter: 'file'.");
        call.Prompt.Text(call.Body.Get("prompt"));
        call.Prompt.Charge(call.Units);
        call.Units.Input += (file.GetInt64() + 999) / 1000;
        var reply = SandboxReply.Make(call.Model, new SandboxAsk(), call.Prompt.Bytes);
        await call.BeginAsync(call.Body.GetText("response_format") == "text" ? "text/plain; charset=utf-8" : "application/json");
        await call.GenerateAsync(reply);
        if (call.Body.GetText("response_format") == "text")
        {
            await call.SendAsync(System.Text.Encoding.UTF8.GetBytes(reply.Text + "\n"), usage: false);
            return;
        }

        var answer = new JsonObject { ["text"] = reply.Text };
        if (call.ReportsUsage)
        {
            answer["usage"] = new JsonObject
            {
                ["type"] = "tokens",
                ["total_tokens"] = call.Units.Input + call.Units.OutputTotal,
                ["input_tokens"] = call.Units.Input,
                ["input_token_details"] = new JsonObject { ["text_tokens"] = call.Units.Input, ["audio_tokens"] = 0 },
                ["output_tokens"] = call.Units.OutputTotal,
            };
        }

        await call.SendAsync(answer);
    }

    /// <summary>Free, as OpenAI's are.</summary>
    public static async Task ModerationsAsync(SandboxCall call)
    {
        var input = call.Body.Require("input");
        await call.BeginAsync("application/json");
        var count = input.ValueKind == JsonValueKind.Array ? input.GetArrayLength() : 1;
        await call.SendAsync(new JsonObject
        {
            ["id"] = $"modr-{call.Suffix}",
            ["model"] = call.Model.Name,
            ["results"] = new JsonArray([.. Enumerable.Range(0, count).Select(_ => (JsonNode)new JsonObject
            {
                ["flagged"] = false,
                ["categories"] = new JsonObject(Categories.Select(c => KeyValuePair.Create(c, (JsonNode?)false))),
                ["category_scores"] = new JsonObject(Categories.Select(c => KeyValuePair.Create(c, (JsonNode?)0.000001))),
                ["category_applied_input_types"] = new JsonObject(Categories.Select(c => KeyValuePair.Create(c, (JsonNode?)new JsonArray("text")))),
            })]),
        });
    }

    /// <summary>A unit vector that depends on the place in the list alone.</summary>
    public static float[] Vector(int index, int dimensions)
    {
        var vector = new float[dimensions];
        vector[index % dimensions] = 1;
        return vector;
    }

    public static JsonArray Numbers(float[] vector) => new([.. vector.Select(v => (JsonNode)v)]);

    private static string Base64(float[] vector)
    {
        var bytes = new byte[vector.Length * sizeof(float)];
        for (var i = 0; i < vector.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
        return Convert.ToBase64String(bytes);
    }
}
