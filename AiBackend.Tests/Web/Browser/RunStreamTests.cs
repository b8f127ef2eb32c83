using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Runs;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>A run read in a browser while it is written, over everything a reader may do meanwhile.</summary>
[Collection(StackCollection.Name)]
public sealed class RunStreamTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private readonly JobClient _jobs = new(stack.Stack);

    [Fact]
    public async Task U_20_a_reload_in_the_middle_shows_the_text_from_its_first_word_and_goes_on()
    {
        var truth = JobClient.Words(400);
        var run = await _jobs.SubmitAsync(await _jobs.TeachWordsAsync(400, intervalMs: 15));
        await using var visit = await BeginAsync();
        await visit.OpenAsync(run);

        foreach (var word in (int[])[50, 200, 399])
        {
            await WaitForWordAsync(visit.Page, word);
            await ReloadAsync(visit.Page, truth);
        }

        await Visit.CompleteAsync(visit.Page);
        await ReloadAsync(visit.Page, truth);
        await Visit.CompleteAsync(visit.Page);
        await AssertWholeAsync(visit, run, truth);
    }

    [Fact]
    public async Task U_21_twenty_reloads_at_any_moment_lose_and_repeat_nothing()
    {
        var random = new Random(20);
        var truth = JobClient.Words(900);
        var run = await _jobs.SubmitAsync(await _jobs.TeachWordsAsync(900, intervalMs: 15));
        await using var visit = await BeginAsync();
        await visit.OpenAsync(run);
        await WaitForWordAsync(visit.Page, 1);

        for (var reload = 0; reload < 20; reload++)
        {
            // The moment itself is what is drawn.
            await visit.Page.WaitForTimeoutAsync(random.Next(0, 300));
            await ReloadAsync(visit.Page, truth, looks: 5);
        }

        await Visit.CompleteAsync(visit.Page);
        await AssertWholeAsync(visit, run, truth);
    }

    [Fact]
    public async Task U_22_two_tabs_show_the_same_and_a_stop_in_one_is_seen_in_the_other()
    {
        var run = await _jobs.SubmitAsync(await _jobs.TeachWordsAsync(4000, intervalMs: 20));
        await using var visit = await BeginAsync();
        await visit.OpenAsync(run);
        await WaitForWordAsync(visit.Page, 40);
        var other = await visit.NewTabAsync();
        await Visit.OpenAsync(other, $"/runs/{run}");
        await WaitForWordAsync(other, 60);

        await other.GetByRole(AriaRole.Button, new() { Name = "Stop this run" }).ClickAsync();

        await Visit.ShowsAsync(visit.Page, JobStatuses.Cancelled, seconds: 30);
        Assert.Equal("Stopped by you", (await visit.Page.Locator(".run-status .status").InnerTextAsync()).Trim());
        await Task.WhenAll(Visit.CompleteAsync(visit.Page), Visit.CompleteAsync(other));
        var stored = (await _jobs.GetAsync(run, TestRun.Cancel)).Output!.Text.Trim();
        Assert.Equal(stored, await Visit.AnswerAsync(visit.Page));
        Assert.Equal(stored, await Visit.AnswerAsync(other));
        Assert.StartsWith(stored, JobClient.Words(4000), StringComparison.Ordinal);
        visit.AssertClean();
    }

    [Fact]
    public async Task U_62_without_scripts_the_text_so_far_can_be_read_and_refreshed()
    {
        // Still written when a slow page has it.
        var run = await _jobs.SubmitAsync(await _jobs.TeachWordsAsync(400, intervalMs: 150));
        await using var visit = await Visit.BeginAsync(
            browser.Browser,
            stack.Stack.WebAddress,
            options => options.JavaScriptEnabled = false
        );

        await Eventually.GetAsync(
            async _ =>
            {
                await visit.Page.GotoAsync($"/runs/{run}");
                return await Visit.AnswerAsync(visit.Page);
            },
            text => text.Length > 0 && JobClient.Words(400).StartsWith(text, StringComparison.Ordinal),
            "the first words are on the page"
        );

        await visit.Page.GetByText("Refresh to update").WaitForAsync();
        visit.AssertClean();
    }

    [Fact]
    public async Task The_text_stays_and_goes_on_when_the_api_is_killed_in_the_middle()
    {
        var truth = JobClient.Words(400);
        var run = await _jobs.SubmitAsync(await _jobs.TeachWordsAsync(400, intervalMs: 20));
        await using var visit = await BeginAsync();
        await visit.OpenAsync(run);
        await WaitForWordAsync(visit.Page, 50);

        stack.Stack.Processes.Kill("api");

        await visit.Page.Locator("[data-link=reconnecting]").WaitForAsync();
        Assert.StartsWith(JobClient.Words(50), await Visit.AnswerAsync(visit.Page), StringComparison.Ordinal);
        await Visit.CompleteAsync(visit.Page);
        await AssertWholeAsync(visit, run, truth);
    }

    [Fact]
    public async Task The_page_comes_back_by_itself_when_its_own_server_is_killed()
    {
        var truth = JobClient.Words(600);
        var run = await _jobs.SubmitAsync(await _jobs.TeachWordsAsync(600, intervalMs: 20));
        await using var visit = await BeginAsync();
        await visit.OpenAsync(run);
        await WaitForWordAsync(visit.Page, 50);
        visit.ToleratesOutage = true;

        stack.Stack.Processes.Kill("web");

        await visit.Page.GetByText("Connection lost. Reconnecting").WaitForAsync();
        Assert.StartsWith(JobClient.Words(50), await Visit.AnswerAsync(visit.Page), StringComparison.Ordinal);
        await Visit.CompleteAsync(visit.Page);
        await AssertWholeAsync(visit, run, truth);
    }

    [Fact]
    public async Task U_25_a_lost_worker_is_told_and_only_the_new_text_remains()
    {
        var truth = JobClient.Words(200);
        var model = await _jobs.TeachWordsAsync(200, intervalMs: 30);
        var run = await _jobs.SubmitAsync(model);
        await using var visit = await BeginAsync();
        await visit.OpenAsync(run);
        await WaitForWordAsync(visit.Page, 30);

        // The other one sees it and has the text written anew; of both, the next would wait for a lease.
        stack.Stack.KillWorker(await stack.Stack.HolderAsync(model));

        await visit.Page.GetByText("First try was interrupted").WaitForAsync(new() { Timeout = 60_000 });
        await Visit.CompleteAsync(visit.Page, seconds: 90);
        await AssertWholeAsync(visit, run, truth);
    }

    private Task<Visit> BeginAsync() => Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);

    private static async Task WaitForWordAsync(IPage page, int word) =>
        await page.WaitForFunctionAsync(
            "word => document.querySelector('[data-answer]')?.textContent.includes(word)",
            $"word{word}",
            new() { Timeout = 60_000 }
        );

    /// <summary>Reloads; from the first bytes on, whatever is shown begins with the first word and has none twice.</summary>
    private static async Task ReloadAsync(IPage page, string truth, int looks = 20)
    {
        var response = await page.ReloadAsync();
        Assert.Contains(truth[..5], await response!.TextAsync(), StringComparison.Ordinal);
        for (var look = 0; look < looks; look++)
        {
            var shown = await Visit.AnswerAsync(page);
            Assert.NotEmpty(shown);
            Assert.StartsWith(shown, truth, StringComparison.Ordinal);
            await page.WaitForTimeoutAsync(50);
        }
    }

    private async Task AssertWholeAsync(Visit visit, Guid run, string truth)
    {
        var stored = (await _jobs.GetAsync(run, TestRun.Cancel)).Output!.Text;

        Assert.Equal(TextDigest.Of(truth), TextDigest.Of(stored));
        Assert.Equal(stored, await Visit.AnswerAsync(visit.Page));
        visit.AssertClean();
    }
}
