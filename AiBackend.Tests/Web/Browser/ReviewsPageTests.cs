using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What a reviewer does, on the whole stack: two answers that broke their contract wait, and the keyboard is enough.</summary>
[Collection(StackCollection.Name)]
public sealed class ReviewsPageTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private readonly JobClient _jobs = new(stack.Stack);

    [Fact]
    public async Task U_12_a_result_is_found_edited_and_approved_with_keys_alone()
    {
        var id = await stack.Stack.AskForReviewAsync();
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/reviews");
        await visit.Page.Locator($"[data-review-id='{id}-1']").WaitForAsync();

        await WalkToAsync(visit, id);
        await visit.Page.Keyboard.PressAsync("e");
        await Assertions.Expect(visit.Page.GetByLabel("Proposed result")).ToBeFocusedAsync();
        await visit.Page.Keyboard.PressAsync("Control+a");
        await visit.Page.Keyboard.InsertTextAsync("{\"total\":7}");
        // Out of the text, where an A is a letter.
        await visit.Page.Keyboard.PressAsync("Escape");
        await visit.Page.Keyboard.PressAsync("a");
        // What the edit changes is seen before it is taken.
        await Assertions.Expect(visit.Page.Locator("[data-edit-diff] .diff-come", new() { HasText = "\"total\": 7" })).ToHaveCountAsync(1);
        await Assertions.Expect(visit.Page.Locator("[data-edit-diff] .diff-gone").First).ToBeVisibleAsync();
        Assert.Equal(JobStatuses.WaitingForReview, (await _jobs.GetAsync(id, TestRun.Cancel)).Status);
        await visit.Page.Keyboard.PressAsync("a");

        var job = await _jobs.EndAsync(id);
        Assert.Equal(("completed", "{\"total\":7}"), (job.Status, job.Output!.Text));
        await Assertions.Expect(visit.Page.Locator("[role=status]").First).ToContainTextAsync("Approved");
        await visit.OpenAsync($"/runs/{id}");
        await Assertions.Expect(visit.Page.Locator("[data-run-decision]")).ToContainTextAsync("Approved");
        visit.AssertClean();
    }

    [Fact]
    public async Task A_wrong_edit_is_told_what_is_wrong_and_a_result_is_rejected_with_a_key()
    {
        var id = await stack.Stack.AskForReviewAsync();
        await using var visit = await BeginAsync();
        await visit.OpenAsync($"/reviews/{id}-1");
        await visit.Page.Locator("[data-claim]").WaitForAsync();
        await visit.Page.GetByLabel("Proposed result").FillAsync("{\"total\":\"seven\"}");

        await ApproveEditAsync(visit);
        await Assertions.Expect(visit.Page.Locator(".notice-failed")).ToContainTextAsync("/total");
        Assert.Equal(JobStatuses.WaitingForReview, (await _jobs.GetAsync(id, TestRun.Cancel)).Status);
        await visit.Page.Locator("h1").ClickAsync();
        await visit.Page.Keyboard.PressAsync("r");

        Assert.Equal("failed", (await _jobs.EndAsync(id)).Status);
        visit.AssertClean();
    }

    [Fact]
    public async Task An_edit_that_is_changed_again_is_shown_again_and_an_unchanged_result_is_approved_at_once()
    {
        var id = await stack.Stack.AskForReviewAsync();
        await using var visit = await BeginAsync();
        await visit.OpenAsync($"/reviews/{id}-1");
        await visit.Page.Locator("[data-claim]").WaitForAsync();
        var proposed = await visit.Page.GetByLabel("Proposed result").InputValueAsync();
        await visit.Page.GetByLabel("Proposed result").FillAsync("{\"total\":1}");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Approve", Exact = true }).ClickAsync();
        await Assertions.Expect(visit.Page.Locator("[data-edit-diff]")).ToContainTextAsync("1");

        await visit.Page.GetByLabel("Proposed result").FillAsync("{\"total\":22}");
        await visit.Page.GetByLabel("Comment").FillAsync("Counted.");

        await Assertions.Expect(visit.Page.Locator("[data-edit-diff]")).ToHaveCountAsync(0);
        await visit.Page.GetByLabel("Proposed result").FillAsync(proposed);
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Approve", Exact = true }).ClickAsync();

        Assert.Equal("completed", (await _jobs.EndAsync(id)).Status);
        visit.AssertClean();
    }

    [Fact]
    public async Task U_49_the_second_reviewer_sees_who_has_it_and_overwrites_nothing()
    {
        var id = await stack.Stack.AskForReviewAsync();
        using var other = await OtherReviewerAsync();
        using var claim = await other.PostAsync($"/api/v1/reviews/{id}-1/claim", null, TestRun.Cancel);
        Assert.True(claim.IsSuccessStatusCode);
        await using var visit = await BeginAsync();
        await visit.OpenAsync($"/reviews/{id}-1");
        await Assertions.Expect(visit.Page.Locator("[data-claim]")).ToContainTextAsync("In the hands of");

        await visit.Page.GetByLabel("Proposed result").FillAsync("{\"total\":1}");
        await ApproveEditAsync(visit);

        await visit.Page.Locator(".notice-failed").WaitForAsync();
        await Assertions.Expect(visit.Page.GetByLabel("Proposed result")).ToHaveValueAsync("{\"total\":1}");
        Assert.Equal(JobStatuses.WaitingForReview, (await _jobs.GetAsync(id, TestRun.Cancel)).Status);
        visit.AssertClean();
    }

    private static async Task ApproveEditAsync(Visit visit)
    {
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Approve", Exact = true }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Approve the edit" }).ClickAsync();
    }

    /// <summary>Another person of the same tenant, by a key of their own.</summary>
    private async Task<HttpClient> OtherReviewerAsync()
    {
        using var made = await stack.Stack.Api.PostAsJsonAsync(
            "/api/v1/keys",
            new { name = "Second reviewer", scopes = (string[])["reviews:read", "reviews:write"] },
            TestRun.Cancel
        );
        var body = await made.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(made.IsSuccessStatusCode, body);
        using var key = JsonDocument.Parse(body);
        var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = stack.Stack.Api.BaseAddress };
        http.DefaultRequestHeaders.Authorization = new("Bearer", key.RootElement.GetProperty("value").GetString());
        return http;
    }

    /// <summary>J until the review is open: others of this stack may wait before it.</summary>
    private static async Task WalkToAsync(Visit visit, Guid id)
    {
        for (var step = 0; step < 50 && !visit.Page.Url.Contains(id.ToString(), StringComparison.Ordinal); step++)
        {
            var before = visit.Page.Url;
            await visit.Page.Keyboard.PressAsync("j");
            await Assertions.Expect(visit.Page).Not.ToHaveURLAsync(before);
            await visit.Page.Locator("[data-review]").WaitForAsync();
        }

        await visit.Page.Locator($"[data-review='{id}-1'] [data-claim]").WaitForAsync();
    }

    private Task<Visit> BeginAsync() => Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
}
