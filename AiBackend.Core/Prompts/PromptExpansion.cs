using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Prompts;
using static System.FormattableString;

namespace AiBackend.Core.Prompts;

/// <summary>Puts variables into the messages of a prompt.</summary>
/// <remarks>One pass over what the prompt's author wrote: what is put in is never looked at again, whatever it looks like.</remarks>
public static partial class PromptExpansion
{
    /// <summary>Characters of all messages together, after variables are in them.</summary>
    public const int MostCharacters = 1024 * 1024;

    private const string VariablesPlace = "variables";

    /// <summary>Every place where a text says that a variable goes, whether there is such a variable or not.</summary>
    public static IEnumerable<string> PlaceholdersOf(string text) =>
        Placeholder().Matches(text).Select(match => match.Groups["name"].Value);

    /// <param name="template">What the prompt says.</param>
    /// <param name="given">What the caller puts in.</param>
    /// <param name="pin">The version, for words to the caller.</param>
    /// <param name="report">Told the place and the fault of what is wrong; places begin with <c>variables</c>.</param>
    /// <returns>The messages; to be used only when nothing was reported.</returns>
    public static IReadOnlyList<ChatMessageInput> Expand(
        PromptTemplate template,
        IReadOnlyDictionary<string, JsonElement>? given,
        string pin,
        Action<string, string> report
    )
    {
        var known = template.Variables ?? new Dictionary<string, PromptVariable>(StringComparer.Ordinal);
        foreach (var name in given?.Keys.Where(name => !known.ContainsKey(name)) ?? [])
        {
            report(
                $"{VariablesPlace}.{name}",
                $"is no variable of {pin}, which has {(known.Count == 0 ? "none" : string.Join(", ", known.Keys))}."
            );
        }

        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        var isWrong = false;
        foreach (var (name, variable) in known)
        {
            if (PromptValues.TextOf(variable, Given(given, name), out var text) is { } fault)
            {
                report($"{VariablesPlace}.{name}", Invariant($"{fault} {pin} says so."));
                isWrong = true;
            }

            texts[name] = text;
        }

        return isWrong ? [] : Fill(template, texts, report);
    }

    private static JsonElement? Given(IReadOnlyDictionary<string, JsonElement>? given, string name) =>
        given is not null && given.TryGetValue(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static List<ChatMessageInput> Fill(PromptTemplate template, Dictionary<string, string> texts, Action<string, string> report)
    {
        var messages = new List<ChatMessageInput>();
        var room = MostCharacters;
        foreach (var message in template.Messages!)
        {
            var text = new StringBuilder();
            var at = 0;
            foreach (Match match in Placeholder().Matches(message.Content!))
            {
                text.Append(message.Content, at, match.Index - at).Append(texts[match.Groups["name"].Value]);
                at = match.Index + match.Length;
                if (text.Length > room)
                {
                    break;
                }
            }

            text.Append(message.Content, at, message.Content!.Length - at);
            room -= text.Length;
            if (room < 0)
            {
                report(VariablesPlace, $"make messages of more than {MostCharacters} characters; send shorter ones.");
                return [];
            }

            messages.Add(new ChatMessageInput { Role = message.Role, Content = text.ToString() });
        }

        return messages;
    }

    // Whatever has this shape: a misspelt name is found when the version is made, not when its job runs.
    [GeneratedRegex(@"\{\{[ \t]*(?<name>[^{}\s]+)[ \t]*\}\}", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Placeholder();
}
