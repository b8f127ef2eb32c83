using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Tests.Api;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Papers;

/// <summary>docs/api.md says what the API is: what a program can write there is written by one, between marks.</summary>
public sealed class ApiPaperTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Paper = "docs/api.md";
    private const string Rewrite = "AIBACKEND_REWRITE=1 ./test.sh --filter FullyQualifiedName~ApiPaper";

    [Fact]
    public async Task The_paper_has_every_operation_every_type_and_every_example_as_they_are_now()
    {
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", TestRun.Cancel));
        var paper = Repository.Read(Paper);

        var written = Replace(Replace(paper, "tasks", ApiTasks.Write()), "reference", ApiReference.Write(document.RootElement));

        if (TestRun.RewritesPapers)
        {
            await File.WriteAllTextAsync(Repository.Full(Paper), written, TestRun.Cancel);
            return;
        }

        var (was, now) = (paper.Split('\n'), written.Split('\n'));
        var first = Enumerable
            .Range(0, Math.Max(was.Length, now.Length))
            .FirstOrDefault(at => was.ElementAtOrDefault(at) != now.ElementAtOrDefault(at), -1);
        Assert.True(
            first < 0,
            $"{Paper} is not what the OpenAPI document and docs/examples give. Line {first + 1} is\n  {was.ElementAtOrDefault(first)}\nand would be\n  {now.ElementAtOrDefault(first)}\nRewrite it: {Rewrite}"
        );
    }

    [Fact]
    public void Every_example_belongs_to_a_task_and_every_task_has_one_in_each_language()
    {
        var files = Directory.EnumerateFiles(Repository.Full(ApiTask.Folder)).Select(file => $"{ApiTask.Folder}/{Path.GetFileName(file)}");

        Assert.Equal(
            ApiTasks
                .All.SelectMany(task => ApiTask.Languages.Select(language => task.File(language.Extension)))
                .Order(StringComparer.Ordinal),
            files.Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public void Every_link_of_the_paper_leads_somewhere_in_it()
    {
        var paper = Repository.Read(Paper);
        var targets = Regex
            .Matches(paper, "^#+ (?<title>.*)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)
            .Select(heading => Slug(heading.Groups["title"].Value))
            .Concat(
                Regex.Matches(paper, "<a id=\"(?<id>[^\"]+)\"", RegexOptions.ExplicitCapture).Select(anchor => anchor.Groups["id"].Value)
            )
            .ToHashSet(StringComparer.Ordinal);

        var links = Regex.Matches(paper, @"\]\(#(?<to>[^)]+)\)", RegexOptions.ExplicitCapture).Select(link => link.Groups["to"].Value);

        Findings.None($"Links of {Paper} to no heading.", links.Where(link => !targets.Contains(link)).Distinct());
    }

    /// <summary>As the page's viewer makes addresses of headings.</summary>
    private static string Slug(string title) => Regex.Replace(title.ToLowerInvariant(), @"[^\w\- ]", "").Replace(' ', '-');

    private static string Replace(string paper, string part, string text)
    {
        var (begin, end) = ($"<!-- generated: {part} -->\n", $"<!-- end of {part} -->");
        var (from, to) = (paper.IndexOf(begin, StringComparison.Ordinal), paper.IndexOf(end, StringComparison.Ordinal));
        Assert.True(from >= 0 && to > from, $"{Paper} lacks the marks {begin.Trim()} and {end}.");
        return $"{paper[..(from + begin.Length)]}\n{text.Trim()}\n\n{paper[to..]}";
    }
}
