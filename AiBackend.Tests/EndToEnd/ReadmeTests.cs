using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>The examples of the README, run as a reader would paste them; only the address and the key file are this stack's.</summary>
[Collection(StackCollection.Name)]
public sealed partial class ReadmeTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;

    [Fact]
    public async Task Asking_and_waiting_answers_with_the_finished_job()
    {
        var output = await RunAsync("ask");

        Assert.Contains("\"status\":\"completed\"", output, StringComparison.Ordinal);
        Assert.Contains("simulated answer", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Streaming_shows_the_events_up_to_the_final_one()
    {
        var output = await RunAsync("stream");

        Assert.Contains("event: delta", output, StringComparison.Ordinal);
        Assert.Contains("event: final", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Retrying_with_one_key_gives_one_job()
    {
        var output = await RunAsync("retry");

        var ids = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, ids.Length);
        Assert.True(Guid.TryParse(Assert.Single(ids.Distinct()), out _), output);
    }

    private async Task<string> RunAsync(string example)
    {
        var readme = Repository.Read("README.md");
        var script = Examples().Matches(readme).Single(match => match.Groups["name"].Value == example).Groups["script"].Value;
        Assert.Contains("http://localhost:5080", script, StringComparison.Ordinal);
        Assert.Contains(".local/dev-api-key", script, StringComparison.Ordinal);
        script = script
            .Replace("http://localhost:5080", _stack.ApiAddress.ToString().TrimEnd('/'), StringComparison.Ordinal)
            .Replace(".local/dev-api-key", _stack.KeyFile, StringComparison.Ordinal);

        return await ChildProcess.RunAsync(TestRun.Require("bash"), ["-euo", "pipefail", "-c", script], keepLines: int.MaxValue);
    }

    [GeneratedRegex(
        "<!-- example: (?<name>[a-z]+) -->\\n```sh\\n(?<script>.*?)```",
        RegexOptions.Singleline | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Examples();
}
