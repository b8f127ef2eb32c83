using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>“My runs” stays true while runs end and while its reader clicks faster than the Api answers.</summary>
public sealed class RunsPageTests(BrowserFixture browser) : StubbedSite(browser)
{
    [Fact]
    public async Task U_2_a_run_that_ends_under_going_on_stops_saying_that_it_is_written()
    {
        var (ends, stays) = (Jobs.Some(JobStatuses.Processing), Jobs.Some(JobStatuses.Processing));
        Api.Runs = [ends, stays];
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/runs?status=active");
        await Assertions.Expect(Row(visit.Page, ends)).ToContainTextAsync("Writing");

        Api.Runs = [ends with { Status = JobStatuses.Completed, FinishedAt = Jobs.CreatedAt.AddSeconds(3) }, stays];

        await Assertions.Expect(Row(visit.Page, ends)).ToContainTextAsync("Done");
        await Assertions.Expect(Row(visit.Page, stays)).ToContainTextAsync("Writing");
        visit.AssertClean();
    }

    [Fact]
    public async Task U_32_a_row_that_newer_runs_pushed_off_the_page_stays_where_it_is_and_true()
    {
        var shown = Enumerable.Range(0, 50).Select(_ => Jobs.Some(JobStatuses.Processing)).ToList();
        var last = shown[^1];
        Api.Runs = shown;
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/runs");
        await Assertions.Expect(Row(visit.Page, last)).ToContainTextAsync("Writing");

        var newer = Jobs.Some(JobStatuses.Queued) with { CreatedAt = Jobs.CreatedAt.AddSeconds(1) };
        Api.Runs = [newer, .. shown[..^1], last with { Status = JobStatuses.Failed, FinishedAt = Jobs.CreatedAt.AddSeconds(3) }];

        await Assertions.Expect(Row(visit.Page, last)).ToContainTextAsync("Failed");
        await visit.Page.GetByText("1 new run").WaitForAsync();
        await Assertions.Expect(Row(visit.Page, newer)).ToHaveCountAsync(0);
        visit.AssertClean();
    }

    [Fact]
    public async Task U_13_a_late_answer_to_the_filter_before_does_not_put_its_rows_under_the_next_one()
    {
        var done = Jobs.Some(JobStatuses.Completed);
        Api.Runs = [done];
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/runs");
        await Assertions.Expect(Row(visit.Page, done)).ToBeVisibleAsync();
        var (held, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        Api.BeforeList = async statuses =>
        {
            if (statuses.Length == 0)
            {
                held.TrySetResult();
                await release.Task;
            }
        };
        await held.Task.WaitAsync(TimeSpan.FromMinutes(1), TestRun.Cancel);

        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Failed" }).ClickAsync();
        await visit.Page.GetByText("No runs in this state").WaitForAsync();
        var asked = Api.CountOf("/api/v1/jobs?limit=50&status=failed");
        release.SetResult();

        // The refresh that waited for the late answer has dealt with it before it asks again.
        await Eventually.TrueAsync(
            () => Api.CountOf("/api/v1/jobs?limit=50&status=failed") > asked,
            "the list is refreshed",
            TimeSpan.FromSeconds(15)
        );
        Assert.Equal(0, await visit.Page.Locator(".runs tbody tr").CountAsync());
        Assert.True(await visit.Page.GetByText("No runs in this state").IsVisibleAsync());
        visit.AssertClean();
    }

    [Fact]
    public async Task U_35_from_one_run_straight_to_another_through_the_history_shows_the_other()
    {
        var (one, other) = (Jobs.Some(JobStatuses.Queued) with { Title = "One" }, Jobs.Some(JobStatuses.Queued) with { Title = "Other" });
        Api.Runs = [one, other];
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync(one.Id);
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "My runs" }).ClickAsync();
        await Row(visit.Page, other).GetByRole(AriaRole.Link).ClickAsync();
        await Assertions.Expect(visit.Page.Locator("h1")).ToHaveTextAsync("Other");

        await visit.Page.EvaluateAsync("history.go(-2)");

        await Assertions.Expect(visit.Page.Locator("h1")).ToHaveTextAsync("One");
        visit.AssertClean();
    }

    private static ILocator Row(IPage page, Job run) => page.Locator($"tr:has(a[href='runs/{run.Id}'])");
}
