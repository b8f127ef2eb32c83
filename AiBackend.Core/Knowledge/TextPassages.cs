namespace AiBackend.Core.Knowledge;

/// <summary>Cuts a text into passages of a size that a model can be given several of, where the text itself has a break.</summary>
internal static class TextPassages
{
    /// <summary>Characters of a passage at most: some 300 tokens.</summary>
    public const int MaxLength = 1200;

    // From the best place to cut to the last resort.
    private static readonly string[] Breaks = ["\n# ", "\n## ", "\n\n", "\n", ". ", " "];

    /// <returns>The passages in order; every word of the text is in one of them.</returns>
    public static IReadOnlyList<string> Of(string text)
    {
        var passages = new List<string>();
        var rest = text.ReplaceLineEndings("\n").AsSpan().Trim();
        while (rest.Length > 0)
        {
            var length = rest.Length <= MaxLength ? rest.Length : CutIn(rest[..MaxLength]);
            passages.Add(rest[..length].Trim().ToString());
            rest = rest[length..].TrimStart();
        }

        return passages;
    }

    /// <summary>Not in the first third, or passages would have a few words each.</summary>
    private static int CutIn(ReadOnlySpan<char> piece)
    {
        foreach (var mark in Breaks)
        {
            var at = piece.LastIndexOf(mark, StringComparison.Ordinal);
            if (at >= MaxLength / 3)
            {
                return at + (mark == ". " ? 1 : 0);
            }
        }

        // Half of a surrogate pair is no text.
        return char.IsHighSurrogate(piece[^1]) ? piece.Length - 1 : piece.Length;
    }
}
