using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>An example of the documentation, run as a reader would paste it; only the address and the key file are the stack's.</summary>
internal static partial class Example
{
    /// <returns>What it printed.</returns>
    public static async Task<string> RunAsync(Stack stack, string file, string name)
    {
        var script = Marked().Matches(Repository.Read(file)).Single(match => match.Groups["name"].Value == name).Groups["script"].Value;
        Assert.Contains("http://localhost:5080", script, StringComparison.Ordinal);
        Assert.Contains(".local/dev-api-key", script, StringComparison.Ordinal);
        script = script
            .Replace("http://localhost:5080", stack.ApiAddress.ToString().TrimEnd('/'), StringComparison.Ordinal)
            .Replace(".local/dev-api-key", stack.KeyFile, StringComparison.Ordinal);

        return await ChildProcess.RunAsync(TestRun.Require("bash"), ["-euo", "pipefail", "-c", script], keepLines: int.MaxValue);
    }

    [GeneratedRegex(
        "<!-- example: (?<name>[a-z]+) -->\\n```sh\\n(?<script>.*?)```",
        RegexOptions.Singleline | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Marked();
}
