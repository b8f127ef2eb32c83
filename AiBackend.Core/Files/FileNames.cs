namespace AiBackend.Core.Files;

/// <summary>Names of files, which are only for people to read.</summary>
public static class FileNames
{
    private const int Longest = 255;

    /// <summary>The last part of a path, without what could be taken for something else.</summary>
    /// <param name="sent">As it came.</param>
    /// <param name="usual">The name of one that has none.</param>
    public static string Clean(string? sent, string usual)
    {
        var name = (sent ?? "").Split('/', '\\')[^1];
        name = string.Concat(name.Where(character => !char.IsControl(character) && character is not '"' && !TurnsDirection(character)));
        return name switch
        {
            "" or "." or ".." => usual,
            // Never half of a character that takes two.
            { Length: > Longest } => name[..(char.IsHighSurrogate(name[Longest - 1]) ? Longest - 1 : Longest)],
            _ => name,
        };
    }

    /// <summary>Makes "gpj.exe" look like "exe.jpg".</summary>
    private static bool TurnsDirection(char character) =>
        character is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069') or '\u200E' or '\u200F';
}
