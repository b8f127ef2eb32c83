using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Papers;

/// <summary>What the pages beside docs/api.md have readers paste into a shell does what it says, against the whole stack.</summary>
[Collection(StackCollection.Name)]
public sealed partial class PageExampleTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;

    /// <summary>Page, and what its calls print one after the other when they go well.</summary>
    public static TheoryData<string, string> Pages { get; } =
        new()
        {
            {
                "conversations",
                "\"status\":\"completed\".*simulated answer.*\"context\":\\{\"max_tokens\":16000.*\"name\":\"history\""
                    // The branch goes on from the first question and its answer, and not from what came after.
                    + ".*\"seq\":1,[^}]*Why does my lamp blink[^}]*\\},\\{\"seq\":2,[^}]*\\},\\{\"seq\":3,[^}]*Must I throw it away[^}]*\\},\\{\"seq\":4,"
                    + ".*\"user\":\"ann\",\"text\":\"Has the blue lamp.*\"name\":\"profile\",\"tokens\":[1-9]"
            },
            { "files", "\"name\":\"sales.csv\".*\"status\":\"completed\".*\"name\":\"report.md\"" },
            {
                "prompts",
                "\"part\":\"messages\\[0\\]\",\"lines\":\\[.*\"-Be brief\\.\",\"\\+Be brief\\. Write for a customer\\.\".*"
                    + "\"percent\":100.*^summary-\\d+@2$.*\"statistics\":.*\"rolled_back_to\":2.*\"rolled_back_to\":1.*^summary-\\d+@1$"
            },
            {
                "workflows",
                "\"source\":\"lamps.md\".*\"name\":\"answer-question\".*\"status\":\"completed\".*filter is full"
                    + ".*steps.read offers currency, total.*^400$"
            },
        };

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task A_page_s_calls_do_what_it_says(string page, string expected)
    {
        var calls = string.Join('\n', BlocksOf(page));
        // As a reader would who has cloned the repository.
        using var shell = await ChildProcess.StartAsync(
            TestRun.Require("bash"),
            ["-euo", "pipefail", "-c", $"cd {Repository.Full(".")}\n{calls}"],
            environment:
            [
                KeyValuePair.Create("AIBACKEND_URL", (string?)_stack.ApiAddress.ToString().TrimEnd('/')),
                KeyValuePair.Create("AIBACKEND_KEY", (string?)_stack.Key),
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

    [Fact]
    public void Every_page_that_has_calls_is_among_them()
    {
        // Those of docs/api.md are files of their own, which ExampleTests runs; the others are about machines.
        string[] others = ["api", "benchmarks", "operations", "reliability"];

        Assert.Equal(
            Directory
                .EnumerateFiles(Repository.Full("docs"), "*.md")
                .Select(file => Path.GetFileNameWithoutExtension(file))
                .Where(page => !others.Contains(page, StringComparer.Ordinal) && BlocksOf(page).Any())
                .Order(StringComparer.Ordinal),
            Pages.Select(row => row.Data.Item1).Order(StringComparer.Ordinal)
        );
    }

    private static IEnumerable<string> BlocksOf(string page) =>
        Block().Matches(Repository.Read($"docs/{page}.md")).Select(block => block.Groups["calls"].Value);

    [GeneratedRegex("^```sh\n(?<calls>.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Block();
}
