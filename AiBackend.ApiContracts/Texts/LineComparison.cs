namespace AiBackend.ApiContracts.Texts;

/// <summary>Lays two texts side by side, line by line: the Api two versions of a prompt, the site an edit and what was there before.</summary>
public static class LineComparison
{
    /// <summary>The lines of both in the shortest way, each behind a sign: <c>-</c> it went, <c>+</c> it came, a blank: it stayed.</summary>
    /// <param name="old">Lines of the one.</param>
    /// <param name="now">Lines of the other.</param>
    /// <param name="mostCells">
    /// Pairs of lines that are looked at. Beyond that all lines between the first change and the last went and came: a person would not read it otherwise
    /// either.
    /// </param>
    public static IReadOnlyList<string> Of(IReadOnlyList<string> old, IReadOnlyList<string> now, long mostCells)
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
            .. Between([.. old.Take(old.Count - tail).Skip(head)], [.. now.Take(now.Count - tail).Skip(head)], mostCells),
            .. old.Skip(old.Count - tail).Select(line => " " + line),
        ];
    }

    private static List<string> Between(string[] old, string[] now, long mostCells)
    {
        if ((long)old.Length * now.Length > mostCells)
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
}
