using AiBackend.ApiContracts.Texts;
using static System.FormattableString;

namespace AiBackend.Web.Components;

/// <summary>A line of a comparison.</summary>
/// <param name="Sign">A blank: it stays; <c>-</c>: it goes; <c>+</c>: it comes; <c>…</c>: lines that are not shown.</param>
/// <param name="Text">The line, or how many.</param>
public readonly record struct DiffLine(char Sign, string Text);

/// <summary>What an edit changes, line by line, in the shortest way.</summary>
public static class LineDiff
{
    /// <summary>Lines that a person is shown at most.</summary>
    public const int Most = 400;

    // Lines around a change, for whoever wants to see where it is.
    private const int Around = 3;

    private const long MostCells = 1_000_000;

    /// <summary>As a person reads it: what changes, and where.</summary>
    public static IReadOnlyList<DiffLine> Of(string old, string now) => Shown(Whole(old, now));

    /// <summary>Every line of both.</summary>
    public static IReadOnlyList<DiffLine> Whole(string old, string now) =>
        [.. LineComparison.Of(LinesOf(old), LinesOf(now), MostCells).Select(line => new DiffLine(line[0], line[1..]))];

    private static List<DiffLine> Shown(IReadOnlyList<DiffLine> whole)
    {
        var near = new bool[whole.Count];
        for (var at = 0; at < whole.Count; at++)
        {
            if (whole[at].Sign != ' ')
            {
                Array.Fill(near, true, Math.Max(0, at - Around), Math.Min(whole.Count, at + Around + 1) - Math.Max(0, at - Around));
            }
        }

        var (shown, place) = (new List<DiffLine>(), 0);
        while (place < whole.Count && shown.Count < Most)
        {
            if (near[place])
            {
                shown.Add(whole[place++]);
                continue;
            }

            var end = Array.IndexOf(near, true, place) is >= 0 and var next ? next : whole.Count;
            shown.Add(new('…', Invariant($"{end - place} unchanged")));
            place = end;
        }

        if (place < whole.Count)
        {
            shown.Add(new('…', Invariant($"{whole.Count - place} more")));
        }

        return shown;
    }

    private static string[] LinesOf(string text) =>
        text.Length == 0 ? [] : text.Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n');
}
