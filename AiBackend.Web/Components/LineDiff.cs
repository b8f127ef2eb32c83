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

    // Beyond it all lines between the first change and the last go and come: a person would not read it otherwise either.
    private const long MostCells = 1_000_000;

    /// <summary>As a person reads it: what changes, and where.</summary>
    public static IReadOnlyList<DiffLine> Of(string old, string now) => Shown(Whole(old, now));

    /// <summary>Every line of both.</summary>
    public static IReadOnlyList<DiffLine> Whole(string old, string now)
    {
        var (before, after) = (LinesOf(old), LinesOf(now));
        var head = 0;
        while (head < before.Length && head < after.Length && before[head] == after[head])
        {
            head++;
        }

        var tail = 0;
        while (tail < before.Length - head && tail < after.Length - head && before[^(tail + 1)] == after[^(tail + 1)])
        {
            tail++;
        }

        return
        [
            .. before[..head].Select(line => new DiffLine(' ', line)),
            .. Between(before[head..^tail], after[head..^tail]),
            .. before[^tail..].Select(line => new DiffLine(' ', line)),
        ];
    }

    private static List<DiffLine> Between(string[] old, string[] now)
    {
        if ((long)old.Length * now.Length > MostCells)
        {
            return [.. old.Select(line => new DiffLine('-', line)), .. now.Select(line => new DiffLine('+', line))];
        }

        var common = CommonLengths(old, now);
        var lines = new List<DiffLine>();
        for (int i = 0, j = 0; i < old.Length || j < now.Length; )
        {
            if (i < old.Length && j < now.Length && old[i] == now[j])
            {
                lines.Add(new(' ', old[i++]));
                j++;
            }
            else if (j == now.Length || (i < old.Length && common[i + 1, j] >= common[i, j + 1]))
            {
                lines.Add(new('-', old[i++]));
            }
            else
            {
                lines.Add(new('+', now[j++]));
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
