using AiBackend.ApiContracts;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Files;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>Files on the pages: chosen where a question is asked, and downloaded where its answer is.</summary>
[Collection(StackCollection.Name)]
public sealed class RunFilesTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    [Fact]
    public async Task Files_go_along_with_a_question_and_are_downloaded_from_its_run()
    {
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        var page = visit.Page;
        await visit.OpenAsync("/ask");
        await page.Locator("#files")
            .SetInputFilesAsync([Chosen("lamps.csv", "lamp,colour\n1,blue\n"u8.ToArray()), Chosen("dot.png", SampleFiles.Png)]);
        await Assertions.Expect(page.Locator("[data-attached]")).ToHaveCountAsync(2);
        await page.Locator("#files").SetInputFilesAsync([Chosen("packed.txt", [0x1F, 0x8B, 8, 0])]);
        await Assertions.Expect(page.Locator("#files-error")).ToContainTextAsync("packed.txt is nothing that a model reads");
        await page.GetByRole(AriaRole.Button, new() { Name = "Leave out dot.png" }).ClickAsync();
        await Assertions.Expect(page.Locator("[data-attached]")).ToHaveCountAsync(1);

        await page.Locator("#prompt").FillAsync("What colour is it?");
        await page.Locator(".send").ClickAsync();
        await Visit.ShowsRunAsync(page);
        await Visit.CompleteAsync(page);

        var link = page.Locator("[data-file]");
        await Assertions.Expect(link).ToHaveTextAsync("lamps.csv");
        var begun = page.WaitForDownloadAsync();
        await link.ClickAsync();
        var file = await begun;
        Assert.Equal("lamps.csv", file.SuggestedFilename);
        Assert.Equal("lamp,colour\n1,blue\n", await File.ReadAllTextAsync(await file.PathAsync(), TestRun.Cancel));
        visit.AssertClean();
    }

    [Fact]
    public async Task A_file_that_a_run_has_made_is_shown_as_made_and_downloaded()
    {
        var jobs = new JobClient(stack.Stack);
        var model = await jobs.TeachWordsAsync(words: 5, intervalMs: 200);
        using var accepted = await stack.Stack.Api.PostAsJsonAsync(
            "/api/v1/jobs",
            new
            {
                type = "chat",
                model,
                artifact = new { name = "report.md", type = "text/markdown" },
                input = new { messages = new[] { new { role = "user", content = "Report." } } },
            },
            TestRun.Cancel
        );
        Assert.True(accepted.IsSuccessStatusCode, await accepted.Content.ReadAsStringAsync(TestRun.Cancel));
        var job = (await accepted.Content.ReadFromJsonAsync(WireJson.Default.Job, TestRun.Cancel))!;
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);

        // Open before there is one: it comes with the end.
        await visit.OpenAsync(job.Id);
        await Visit.CompleteAsync(visit.Page);

        var made = visit.Page.Locator("section[aria-labelledby=artifacts]");
        await Assertions.Expect(made.GetByRole(AriaRole.Heading)).ToHaveTextAsync("Made");
        await Assertions.Expect(made.Locator("li")).ToContainTextAsync($"text/markdown, {JobClient.Words(5).Length} bytes");
        var begun = visit.Page.WaitForDownloadAsync();
        await made.Locator("[data-file]").ClickAsync();
        var file = await begun;
        Assert.Equal("report.md", file.SuggestedFilename);
        Assert.Equal(JobClient.Words(5), await File.ReadAllTextAsync(await file.PathAsync(), TestRun.Cancel));
        visit.AssertClean();
    }

    private static FilePayload Chosen(string name, byte[] content) =>
        new()
        {
            Name = name,
            MimeType = "application/octet-stream",
            Buffer = content,
        };
}
