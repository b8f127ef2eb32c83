using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What an operator does about jobs that failed for good, on the whole stack. Every test has a cause of its own.</summary>
[Collection(StackCollection.Name)]
public sealed class DeadLettersPageTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private readonly JobClient _jobs = new(stack.Stack);

    [Fact]
    public async Task A_letter_is_found_by_its_cause_and_replayed_and_the_new_run_says_of_what()
    {
        var model = await stack.Stack.TeachRefusalAsync(status: 403);
        var dead = await DieAsync(model, "Summarise the ticket of Ada.");
        await stack.Stack.TeachTextAsync("All good now.", 1, model);
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/dead-letters");
        await visit.Page.Locator(".letters a", new() { HasText = "refused our key" }).ClickAsync();
        var letter = visit.Page.Locator($"[data-letter='{dead}']");

        await letter.GetByRole(AriaRole.Button, new() { Name = "Replay: Summarise the ticket of Ada.", Exact = true }).ClickAsync();

        await Visit.ShowsRunAsync(visit.Page);
        await Visit.CompleteAsync(visit.Page);
        Assert.Equal("All good now.", await Visit.AnswerAsync(visit.Page));
        await Assertions.Expect(visit.Page.Locator($".facts a[href='runs/{dead}']")).ToBeVisibleAsync();
        visit.AssertClean();
    }

    [Fact]
    public async Task A_letter_is_edited_and_another_one_discarded()
    {
        var model = await stack.Stack.TeachRefusalAsync(status: 402);
        var edited = await DieAsync(model, "Far too long.");
        var unwanted = await DieAsync(model, "Nobody needs this.");
        await using var visit = await BeginAsync();
        await visit.OpenAsync($"/dead-letters/{await FingerprintAsync(edited)}");
        var (keep, drop) = (visit.Page.Locator($"[data-letter='{edited}']"), visit.Page.Locator($"[data-letter='{unwanted}']"));

        await drop.GetByRole(AriaRole.Button, new() { Name = "Discard: Nobody needs this.", Exact = true }).ClickAsync();
        await drop.WaitForAsync(new() { State = WaitForSelectorState.Detached });
        await keep.GetByRole(AriaRole.Button, new() { Name = "Edit and replay: Far too long.", Exact = true }).ClickAsync();
        var text = keep.GetByLabel("What the model should do");
        await Assertions.Expect(text).ToHaveValueAsync("Far too long.");
        await text.FillAsync(" ");
        await keep.GetByRole(AriaRole.Button, new() { Name = "Replay edited", Exact = true }).ClickAsync();
        await keep.Locator(".field-error").WaitForAsync();
        await text.FillAsync("Short.");
        await keep.GetByLabel("Model", new() { Exact = true }).SelectOptionAsync("default");
        await keep.GetByRole(AriaRole.Button, new() { Name = "Replay edited", Exact = true }).ClickAsync();

        await Visit.ShowsRunAsync(visit.Page);
        var job = await _jobs.EndAsync(Guid.Parse(visit.Page.Url.Split('/')[^1]));
        Assert.Equal(("Short.", "default", (Guid?)edited, JobStatuses.Completed), (job.Title, job.Model, job.ReplayOf, job.Status));
        visit.AssertClean();
    }

    [Fact]
    public async Task All_letters_of_a_cause_are_replayed_with_a_canary_and_the_page_follows()
    {
        var model = await stack.Stack.TeachRefusalAsync(status: 404);
        var dead = new List<Guid>();
        for (var i = 0; i < 3; i++)
        {
            dead.Add(await DieAsync(model, $"Ticket {i}."));
        }

        var fingerprint = await FingerprintAsync(dead[0]);
        await using var visit = await BeginAsync();
        await visit.OpenAsync($"/dead-letters/{fingerprint}");
        await Assertions.Expect(visit.Page.Locator("[data-replay-all]")).ToContainTextAsync("3 jobs. What a replay costs is unknown");
        var all = visit.Page.GetByRole(AriaRole.Button, new() { Name = "Replay all 3 jobs", Exact = true });

        // The cause is still there: the canary finds out with one job.
        await all.ClickAsync();
        await visit.Page.Locator("[data-bulk=stopped]").WaitForAsync(new() { Timeout = 60_000 });
        await Assertions.Expect(visit.Page.Locator("[data-bulk]")).ToContainTextAsync("1 of 3 jobs");
        await stack.Stack.TeachTextAsync("Fine.", 1, model);
        var rest = visit.Page.GetByRole(AriaRole.Button, new() { Name = "Replay all 3 jobs", Exact = true });
        await rest.ClickAsync();
        await visit.Page.Locator("[data-bulk=completed]").WaitForAsync(new() { Timeout = 60_000 });

        await Assertions.Expect(visit.Page.Locator("[data-bulk]")).ToContainTextAsync("3 of 3 jobs · 3 went well");
        await Assertions.Expect(visit.Page.Locator("main")).ToContainTextAsync("Nothing is left here");
        visit.AssertClean();
    }

    [Fact]
    public async Task I_12_an_alert_is_on_the_overview_and_can_be_marked_as_seen()
    {
        await DieAsync(await stack.Stack.TeachRefusalAsync(status: 403), "Alert me.");
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ops");
        var alert = visit.Page.Locator("[data-alerts] .notice", new() { HasText = "with provider_auth:" });
        await alert.WaitForAsync(new() { Timeout = 60_000 });

        await alert.GetByRole(AriaRole.Button, new() { Name = "Mark as seen" }).ClickAsync();

        await Assertions.Expect(alert).ToContainTextAsync("Seen");
        await alert.GetByRole(AriaRole.Link, new() { Name = "Look at the jobs" }).ClickAsync();
        await visit.Page.Locator("[data-letter]").First.WaitForAsync();
        visit.AssertClean();
    }

    private Task<Visit> BeginAsync() => Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);

    private async Task<Guid> DieAsync(string model, string text)
    {
        var job = await _jobs.EndAsync(await _jobs.SubmitAsync(model, text));
        Assert.Equal((JobStatuses.Failed, "provider_auth"), (job.Status, job.Error!.Class));
        await FingerprintAsync(job.Id);
        return job.Id;
    }

    /// <summary>The group of a letter, as soon as it has one.</summary>
    private async Task<string> FingerprintAsync(Guid jobId) =>
        (
            await Eventually.GetAsync(
                async cancellationToken =>
                {
                    var bytes = await stack.Stack.Api.GetByteArrayAsync("/api/v1/dead-letters?limit=200", cancellationToken);
                    var groups = JsonSerializer.Deserialize(bytes, WireJson.Default.DeadLetterGroupPage)!.Data;
                    foreach (var group in groups)
                    {
                        var page = await stack.Stack.Api.GetByteArrayAsync(
                            $"/api/v1/dead-letters/{group.Fingerprint}?limit=200",
                            cancellationToken
                        );
                        if (JsonSerializer.Deserialize(page, WireJson.Default.DeadLetterPage)!.Data.Any(letter => letter.JobId == jobId))
                        {
                            return group;
                        }
                    }

                    return null;
                },
                group => group is not null,
                "the letter is in a group",
                TimeSpan.FromSeconds(30)
            )
        )!.Fingerprint;
}
