using AiBackend.Tests.Architecture;
using AiBackend.Tests.EndToEnd;

namespace AiBackend.Tests.Papers;

/// <summary>What the pages beside docs/api.md have readers paste into a shell does what it says, against the whole stack.</summary>
[Collection(StackCollection.Name)]
public sealed class PageExampleTests(StackFixture fixture)
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
                    // The answer was asked for again, with the new input.
                    + ".*\"name\":\"answer\",[^}]*\"job_id\":\"(?<asked>[0-9a-f-]{36})\""
                    + ".*\"name\":\"answer\",[^}]*\"job_id\":\"(?!\\k<asked>)[0-9a-f-]{36}\""
                    + ".*\"status\":\"completed\".*How do I stop it"
            },
        };

    [Theory]
    [MemberData(nameof(Pages))]
    public Task A_page_s_calls_do_what_it_says(string page, string expected) =>
        PageCalls.RunAsync(page, PageCalls.Of(page), _stack.ApiAddress, _stack.Key, expected);

    [Fact]
    public void Every_page_that_has_calls_is_among_them()
    {
        // Those of docs/api.md are files of their own, which ExampleTests runs; the others are about machines.
        string[] others = ["api", "benchmarks", "operations", "reliability"];

        Assert.Equal(
            Directory
                .EnumerateFiles(Repository.Full("docs"), "*.md")
                .Select(file => Path.GetFileNameWithoutExtension(file))
                .Where(page => !others.Contains(page, StringComparer.Ordinal) && PageCalls.Of(page).Any())
                .Order(StringComparer.Ordinal),
            // The calls of that one need servers of their own.
            Pages.Select(row => row.Data.Item1).Append(ToolPageTests.Page).Order(StringComparer.Ordinal)
        );
    }
}
