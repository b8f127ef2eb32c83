using System.Text.RegularExpressions;

namespace AiBackend.Tests.Guards;

/// <summary>A place that decides who may do what, from where, or where to connect.</summary>
/// <param name="File">Path from the root.</param>
/// <param name="Text">What stands there, with the guard itself in <c>[[…]]</c>. Once in the file, however its lines are broken.</param>
/// <param name="Without">What stands in place of the guard when it is taken out: an expression, or a statement where the guard is one.</param>
/// <param name="Test">The test that fails then: its method, perhaps with its class.</param>
internal sealed partial record Guard(string File, string Text, string Without, string Test)
{
    public string Name => $"{File}: {Regex.Replace(Text, @"\s+", " ")} -> {Without}";

    /// <summary>The guard alone.</summary>
    public string Call => Parts().Groups["guard"].Value;

    /// <returns>Where the guard stands in the source of its file; null when the text is not there, or not once.</returns>
    public (int Start, int Length)? Find(string source)
    {
        var parts = Parts();
        var pattern = string.Join(@"\s*", Names.Select(name => Piece(name, parts.Groups[name].Value)).Where(piece => piece.Length > 0));
        return Regex.Matches(source, pattern) is [var match] ? (match.Groups["guard"].Index, match.Groups["guard"].Length) : null;
    }

    private static readonly string[] Names = ["before", "guard", "after"];

    private static string Piece(string name, string text)
    {
        var pattern = string.Join(@"\s*", text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(Regex.Escape));
        return name == "guard" ? $"(?<guard>{pattern})" : pattern;
    }

    private Match Parts() => Marked().Match(Text) is { Success: true } match ? match : throw new FormatException($"{Text} marks no guard.");

    [GeneratedRegex(@"^(?<before>.*?)\[\[(?<guard>.+)\]\](?<after>.*)$", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex Marked();
}

/// <summary>Every guard there is a test for, file by file.</summary>
internal static class AllGuards
{
    /// <summary>Those who add a guard see its test fail without it, and put both into one of these.</summary>
    public static IReadOnlyList<Guard> List { get; } =
    [
        .. EgressGuards.List,
        .. CallerGuards.List,
        .. KeyGuards.List,
        .. TenantGuards.List,
        .. WebhookGuards.List,
        .. SiteGuards.List,
        .. StartGuards.List,
    ];

    public static IEnumerable<Guard> In(string file, params (string Text, string Without, string Test)[] guards) =>
        guards.Select(guard => new Guard(file, guard.Text, guard.Without, guard.Test));
}
