using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Prompts;
using AiBackend.ApiContracts.Texts;
using static System.FormattableString;

namespace AiBackend.Core.Prompts;

/// <summary>Lays two versions of a prompt side by side, line by line.</summary>
public static class PromptComparison
{
    private const long MostCells = 4_000_000;

    private static readonly JsonWriterOptions Indented = new() { Indented = true };

    /// <returns>What differs.</returns>
    public static PromptDiff Compare(PromptVersion from, PromptVersion to)
    {
        var parts = new List<PromptDiffPart>();
        var (old, now) = (from.Template.Messages!, to.Template.Messages!);
        for (var i = 0; i < Math.Max(old.Count, now.Count); i++)
        {
            Add(parts, Invariant($"messages[{i}]"), LinesOf(old.ElementAtOrDefault(i)), LinesOf(now.ElementAtOrDefault(i)));
        }

        Add(parts, "settings", SettingsOf(from.Template), SettingsOf(to.Template));
        return new PromptDiff(from.Name, from.Version, to.Version, parts);
    }

    private static void Add(List<PromptDiffPart> parts, string part, string[] old, string[] now)
    {
        if (!old.SequenceEqual(now, StringComparer.Ordinal))
        {
            parts.Add(new PromptDiffPart(part, LineComparison.Of(old, now, MostCells)));
        }
    }

    private static string[] LinesOf(PromptMessage? message) =>
        message is null ? [] : [$"{message.Role}:", .. message.Content!.Split('\n').Select(line => line.TrimEnd('\r'))];

    private static string[] SettingsOf(PromptTemplate template)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, Indented))
        {
            JsonSerializer.Serialize(json, template with { Messages = null }, WireJson.Default.PromptTemplate);
        }

        return System.Text.Encoding.UTF8.GetString(memory.ToArray()).Split('\n');
    }
}
