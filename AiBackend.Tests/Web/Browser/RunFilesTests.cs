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
        await Assertions.Expect(page.Locator("[data-attached]")).ToHaveCountAsync(2, new() { Timeout = 30_000 });
        await page.Locator("#files").SetInputFilesAsync([Chosen("packed.txt", [0x1F, 0x8B, 8, 0])]);
        await Assertions
            .Expect(page.Locator("#files-error"))
            .ToContainTextAsync("packed.txt is nothing that a model reads", new() { Timeout = 30_000 });
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

    private static FilePayload Chosen(string name, byte[] content) =>
        new()
        {
            Name = name,
            MimeType = "application/octet-stream",
            Buffer = content,
        };
}
