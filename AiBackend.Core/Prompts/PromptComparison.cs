using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Prompts;
using static System.FormattableString;

namespace AiBackend.Core.Prompts;

/// <summary>Lays two versions of a prompt side by side, line by line.</summary>
public static class PromptComparison
{
    // Beyond that all lines in between went and came: a person would not read it otherwise either.
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

    /// <summary>The lines of both: those that went, that came, and that stayed, in the shortest way.</summary>
    public static IReadOnlyList<string> Lines(IReadOnlyList<string> old, IReadOnlyList<string> now)
    {
        var head = 0;
        while (head < old.Count && head < now.Count && old[head] == now[head])
        {
            head++;
        }

        var tail = 0;
        while (tail < old.Count - head && tail < now.Count - head && old[^(tail + 1)] == now[^(tail + 1)])
        {
            tail++;
        }

        return
        [
            .. old.Take(head).Select(line => " " + line),
            .. Between([.. old.Take(old.Count - tail).Skip(head)], [.. now.Take(now.Count - tail).Skip(head)]),
            .. old.Skip(old.Count - tail).Select(line => " " + line),
        ];
    }

    private static List<string> Between(string[] old, string[] now)
    {
        if ((long)old.Length * now.Length > MostCells)
        {
            return [.. old.Select(line => "-" + line), .. now.Select(line => "+" + line)];
        }

        var common = CommonLengths(old, now);
        var lines = new List<string>();
        var (i, j) = (0, 0);
        while (i < old.Length || j < now.Length)
        {
            if (i < old.Length && j < now.Length && old[i] == now[j])
            {
                lines.Add(" " + old[i++]);
                j++;
            }
            else if (j == now.Length || (i < old.Length && common[i + 1, j] >= common[i, j + 1]))
            {
                lines.Add("-" + old[i++]);
            }
            else
            {
                lines.Add("+" + now[j++]);
            }
        }

        return lines;
    }

    /// <summary>Of each pair of places, how many lines both have in common from there on.</summary>
    private static int[,] CommonLengths(string[] old, string[] now)
    {
        var common = new int[old.Length + 1, now.Length + 1];
        for (var i = old.Length - 1; i >= 0; i--)
        {
            for (var j = now.Length - 1; j >= 0; j--)
            {
                common[i, j] = old[i] == now[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        return common;
    }

    private static void Add(List<PromptDiffPart> parts, string part, string[] old, string[] now)
    {
        if (!old.SequenceEqual(now, StringComparer.Ordinal))
        {
            parts.Add(new PromptDiffPart(part, Lines(old, now)));
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
