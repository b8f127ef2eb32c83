using System.Text.Json;
using AiBackend.ApiContracts.Prompts;
using static System.FormattableString;

namespace AiBackend.Core.Prompts;

/// <summary>Values of variables as text.</summary>
public static class PromptValues
{
    /// <summary>Most characters of a value whose variable does not say.</summary>
    public const int MostCharacters = 100_000;

    private const string Text = "string";
    private const string Enum = "enum";
    private const string List = "list";

    /// <summary>What a variable may be.</summary>
    public static IReadOnlyList<string> Types { get; } = [Text, "number", "boolean", Enum, List];

    /// <param name="variable">What it has to be.</param>
    /// <param name="given">What it is; null is its default.</param>
    /// <param name="text">What goes into the messages.</param>
    /// <returns>What is wrong with it, or null.</returns>
    public static string? TextOf(PromptVariable variable, JsonElement? given, out string text)
    {
        text = "";
        if ((given ?? Default(variable)) is not { } value)
        {
            return variable.Required ?? true ? $"is missing; it must be {Expected(variable)}." : null;
        }

        switch (variable.Type ?? Text, value.ValueKind)
        {
            case (Text, JsonValueKind.String):
            case (Enum, JsonValueKind.String) when variable.Values?.Contains(value.GetString(), StringComparer.Ordinal) == true:
                text = value.GetString()!;
                break;
            case ("number", JsonValueKind.Number):
                text = value.GetRawText();
                break;
            case ("boolean", JsonValueKind.True or JsonValueKind.False):
                text = value.ValueKind == JsonValueKind.True ? "true" : "false";
                break;
            case (List, JsonValueKind.Array) when value.EnumerateArray().All(IsItem):
                text = string.Join('\n', value.EnumerateArray().Select(item => item.ToString()));
                break;
            default:
                return $"must be {Expected(variable)}.";
        }

        var most = variable.MaxLength ?? MostCharacters;
        return text.Length > most ? Invariant($"has {text.Length} characters; at most {most} are allowed.") : null;
    }

    private static JsonElement? Default(PromptVariable variable) =>
        variable.Default is { ValueKind: not JsonValueKind.Null } value ? value : null;

    private static bool IsItem(JsonElement item) => item.ValueKind is JsonValueKind.String or JsonValueKind.Number;

    private static string Expected(PromptVariable variable) =>
        (variable.Type ?? Text) switch
        {
            Enum => $"one of {string.Join(", ", variable.Values ?? [])}",
            List => "an array of strings or numbers",
            "boolean" => "true or false",
            var type => $"a {type}",
        };
}
