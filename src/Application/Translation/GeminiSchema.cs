using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Application.Translation;

/// <summary>
/// Gemini's older schemas (<c>parameters</c>, <c>responseSchema</c>) as JSON schemas. They are a piece of OpenAPI 3.0: types in capitals, <c>nullable</c>,
/// whole numbers that may come as strings, and <c>propertyOrdering</c>, which JSON schema lacks and the order of the properties says as well.
/// </summary>
internal static class GeminiSchema
{
    public static JsonElement ToJsonSchema(JsonElement schema) => JsonSerializer.SerializeToElement(Convert(schema));

    private static JsonNode? Convert(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object)
            return JsonNode.Parse(schema.GetRawText());
        var result = new JsonObject();
        var nullable = schema.TryGetProperty("nullable", out var flag) && flag.ValueKind == JsonValueKind.True;
        foreach (var property in schema.EnumerateObject())
        {
            var value = property.Value;
            switch (property.Name)
            {
                case "nullable" or "propertyOrdering" or "property_ordering":
                    break;

                case "type" when value.ValueKind == JsonValueKind.String:
                    var type = value.GetString()!.ToLowerInvariant();
                    if (type != "type_unspecified")
                        result["type"] = nullable ? new JsonArray(type, "null") : type;
                    break;

                case "properties" when value.ValueKind == JsonValueKind.Object:
                    result["properties"] = new JsonObject(Ordered(schema, value).Select(p => KeyValuePair.Create(p.Name, Convert(p.Value))));
                    break;

                case "items" or "additionalProperties":
                    result[property.Name] = Convert(value);
                    break;

                case "$defs" or "defs" or "definitions" when value.ValueKind == JsonValueKind.Object:
                    result[property.Name] = new JsonObject(value.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, Convert(p.Value))));
                    break;

                case "anyOf" or "any_of" when value.ValueKind == JsonValueKind.Array:
                    result["anyOf"] = new JsonArray([.. value.EnumerateArray().Select(Convert)]);
                    break;

                case "maxItems" or "minItems" or "maxLength" or "minLength" or "maxProperties" or "minProperties" when value.ValueKind == JsonValueKind.String && long.TryParse(value.GetString(), out var whole):
                    result[property.Name] = whole;
                    break;

                case "example":
                    result["examples"] = new JsonArray(JsonNode.Parse(value.GetRawText()));
                    break;

                default:
                    result[property.Name] = JsonNode.Parse(value.GetRawText());
                    break;
            }
        }

        return result;
    }

    private static IEnumerable<JsonProperty> Ordered(JsonElement schema, JsonElement properties)
    {
        var order = Wires.Array(schema, "propertyOrdering").Select(n => n.ToString()).ToList();
        return order.Count == 0 ? properties.EnumerateObject() : properties.EnumerateObject().OrderBy(p => order.IndexOf(p.Name) is >= 0 and var at ? at : int.MaxValue);
    }
}
