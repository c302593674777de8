using System.Text.Json;

namespace Tokonomics.Web.Portal.Api;

/// <summary>One of an enumeration's names in a query, written as in JSON: <c>denied</c>, <c>name_desc</c>.</summary>
internal static class QueryWord
{
    /// <returns>False where there is a text and it is none of the names.</returns>
    public static bool TryRead<T>(string? text, out T? value)
        where T : struct, Enum
    {
        value = null;
        if (string.IsNullOrEmpty(text))
            return true;
        foreach (var one in Enum.GetValues<T>())
            if (JsonNamingPolicy.SnakeCaseLower.ConvertName(one.ToString()) == text)
            {
                value = one;
                return true;
            }

        return false;
    }

    public static IResult Unknown<T>(string field, string text)
        where T : struct, Enum
    {
        var message = $"'{(text.Length <= 80 ? text : text[..80])}' is none of {string.Join(", ", Enum.GetNames<T>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName))}.";
        return ApiHost.Problem(422, "invalid", message, new Dictionary<string, string[]> { [field] = [message] });
    }
}
