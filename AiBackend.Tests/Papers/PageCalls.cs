using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Papers;

/// <summary>What a page of docs has readers paste into a shell, in the order in which it stands there.</summary>
internal static partial class PageCalls
{
    public static IEnumerable<string> Of(string page) =>
        Block().Matches(Repository.Read($"docs/{page}.md")).Select(block => block.Groups["calls"].Value);

    /// <summary>Runs them as a reader would who has cloned the repository, and looks at what they print.</summary>
    /// <param name="page">For failure messages.</param>
    /// <param name="calls">What is pasted.</param>
    /// <param name="api">Where the Api is.</param>
    /// <param name="key">A key of it.</param>
    /// <param name="expected">A regular expression.</param>
    public static async Task RunAsync(string page, IEnumerable<string> calls, Uri api, string key, string expected)
    {
        using var shell = await ChildProcess.StartAsync(
            TestRun.Require("bash"),
            ["-euo", "pipefail", "-c", $"cd {Repository.Full(".")}\n{string.Join('\n', calls)}"],
            environment:
            [
                KeyValuePair.Create("AIBACKEND_URL", (string?)api.ToString().TrimEnd('/')),
                KeyValuePair.Create("AIBACKEND_KEY", (string?)key),
            ],
            keepLines: int.MaxValue
        );
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        await shell.WaitForExitAsync(patience.Token);

        Assert.True(shell.ExitCode == 0, $"{page}: {shell.Output}");
        var right = new Regex(expected, RegexOptions.Singleline | RegexOptions.Multiline, TimeSpan.FromSeconds(5));
        Assert.True(right.IsMatch(shell.Output), $"{page} printed, instead of {expected}:\n{shell.Output}");
    }

    [GeneratedRegex("^```sh\n(?<calls>.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Block();
}
