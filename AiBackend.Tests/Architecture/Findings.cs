namespace AiBackend.Tests.Architecture;

/// <summary>Violations of a rule; each is one line of the failure message, none is cut off.</summary>
internal static class Findings
{
    public static void None<T>(string rule, IEnumerable<T> found)
    {
        var lines = found.Select(finding => $"  {finding}").Distinct().ToList();
        Assert.True(lines.Count == 0, $"{rule}\n{string.Join('\n', lines)}");
    }
}
