using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>The way from the page of a run that waits for a person to what it waits for, and back.</summary>
[Collection(StackCollection.Name)]
public sealed class RunReviewTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private static readonly LocatorAssertionsToHaveAttributeOptions Patience = new() { Timeout = 60_000 };

    private readonly JobClient _jobs = new(stack.Stack);

    [Fact]
    public async Task The_page_leads_to_the_review_that_waits_now_while_it_waits_and_then_tells_what_was_decided()
    {
        var id = await stack.Stack.AskForReviewAsync();
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync($"/runs/{id}");
        var way = visit.Page.Locator("[data-run-review] a");
        await Assertions.Expect(way).ToHaveAttributeAsync("href", $"reviews/{id}-1", Patience);

        // The model is asked once more and is wrong again: another review, on a page that stayed open.
        await SendAsync(HttpMethod.Post, $"/api/v1/reviews/{id}-1/reject", """{"version":1,"continue":true,"comment":"Once more."}""");
        await Assertions.Expect(way).ToHaveAttributeAsync("href", $"reviews/{id}-2", Patience);
        await way.ClickAsync();

        await visit.Page.Locator($"[data-review='{id}-2'] [data-claim]").WaitForAsync();
        Assert.EndsWith($"/reviews/{id}-2", visit.Page.Url, StringComparison.Ordinal);
        await ApproveAsync($"{id}-2", ""","text":"{\"total\":7}" """);
        Assert.Equal(JobStatuses.Completed, (await _jobs.EndAsync(id)).Status);
        await visit.OpenAsync($"/runs/{id}");
        await Assertions.Expect(visit.Page.Locator("[data-run-decision]")).ToHaveCountAsync(2, new() { Timeout = 60_000 });
        await Assertions.Expect(visit.Page.Locator("[data-run-decision]").Last).ToContainTextAsync("Approved");
        await Assertions.Expect(way).ToHaveCountAsync(0);
        visit.AssertClean();
    }

    [Fact]
    public async Task From_the_run_of_a_workflow_its_review_is_two_links_away()
    {
        var workflow = $"gate-{Guid.CreateVersion7():N}";
        await SendAsync(
            HttpMethod.Put,
            $"/api/v1/workflows/{workflow}",
            """{"steps":[{"name":"gate","type":"review","question":"May it be sent?","value":"Dear Ann"}],"output":"{{steps.gate}}"}"""
        );
        var run = (await SendAsync(HttpMethod.Post, $"/api/v1/workflows/{workflow}/runs", "{\"input\":{}}")).GetProperty("id").GetGuid();
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync($"/runs/{run}");
        var step = visit.Page.GetByRole(AriaRole.Link, new() { Name = "gate", Exact = true });
        await Assertions.Expect(step).ToBeVisibleAsync(new() { Timeout = 60_000 });

        await step.ClickAsync();
        await visit.Page.Locator("[data-run-review] a").ClickAsync(new() { Timeout = 60_000 });

        await visit.Page.Locator("[data-review] [data-claim]").WaitForAsync();
        await Assertions.Expect(visit.Page.Locator("[data-review]")).ToContainTextAsync("May it be sent?");
        var review = visit.Page.Url[(visit.Page.Url.LastIndexOf('/') + 1)..];
        await ApproveAsync(review, "");
        var ended = await _jobs.EndAsync(run);
        Assert.Equal((JobStatuses.Completed, "Dear Ann"), (ended.Status, ended.Output!.Text));
        visit.AssertClean();
    }

    /// <summary>For the version that is there now: whoever opens the page of a review has it in hand.</summary>
    private async Task ApproveAsync(string review, string more)
    {
        var seen = await SendAsync(HttpMethod.Get, $"/api/v1/reviews/{review}");
        await SendAsync(
            HttpMethod.Post,
            $"/api/v1/reviews/{review}/approve",
            $$"""{"version":{{seen.GetProperty("version").GetRawText()}}{{more}}}"""
        );
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await stack.Stack.Api.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonElement.Parse(text);
    }
}
