using AiBackend.Tests.Architecture;

namespace AiBackend.Tests.Fuzz;

/// <summary>Bytes that once did harm, or that a reader met in a way of its own. Every run begins with them, and makes others of them.</summary>
/// <remarks>A line of saved.txt is the name of what reads them and the bytes in base64, as a run that fails shows them.</remarks>
internal static class SavedInputs
{
    public const string File = "AiBackend.Tests/Fuzz/saved.txt";

    private static readonly ILookup<string, byte[]> All = System
        .IO.File.ReadLines(Repository.Full(File))
        .Where(line => line.Length > 0 && line[0] != '#')
        .Select(line => line.Split('\t'))
        .ToLookup(parts => parts[0], parts => Convert.FromBase64String(parts[1]), StringComparer.Ordinal);

    /// <summary>Whatever they are of.</summary>
    public static IEnumerable<string> Names => All.Select(saved => saved.Key);

    public static IReadOnlyList<byte[]> Of(string name) => [.. All[name]];
}
