using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>The form a run begins with.</summary>
[Collection(StackCollection.Name)]
public sealed class AskTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    [Fact]
    public async Task U_7_from_the_first_page_to_a_streamed_answer_it_takes_one_text_and_one_click()
    {
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/");
        await Assertions.Expect(visit.Page.Locator("#prompt")).ToBeFocusedAsync();

        await visit.Page.Keyboard.TypeAsync("Say something short.");
        await Send(visit.Page).ClickAsync();
        await Visit.ShowsRunAsync(visit.Page);

        await Visit.CompleteAsync(visit.Page);
        Assert.NotEmpty(await Visit.AnswerAsync(visit.Page));
        Assert.True(await visit.Page.Locator("[data-simulated]").IsVisibleAsync());
        visit.AssertClean();
    }

    [Fact]
    public async Task A_double_click_sends_once()
    {
        var text = $"Once only, please: {Guid.CreateVersion7():N}";
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ask");

        await visit.Page.Locator("#prompt").FillAsync(text);
        await Send(visit.Page).DblClickAsync();
        await Visit.ShowsRunAsync(visit.Page);

        await Visit.CompleteAsync(visit.Page);
        Assert.Equal(1, await CountAsync(text));
        visit.AssertClean();
    }

    [Fact]
    public async Task U_12_a_question_is_asked_and_stopped_by_keyboard_alone()
    {
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ask");
        // Still written when a slow page has its button.
        await stack.Stack.TeachTextAsync(JobClient.Words(1000), 100, "sim");

        await visit.Page.Locator("#model").FocusAsync();
        await visit.Page.Locator("#prompt").FocusAsync();
        await visit.Page.Keyboard.TypeAsync("A long story.");
        await visit.Page.Keyboard.PressAsync("Control+Enter");
        try
        {
            await Visit.ShowsRunAsync(visit.Page);
            await visit.Page.Locator(".writing").WaitForAsync();
        }
        finally
        {
            await stack.Stack.Simulator.PostAsync("/sim/reset", null, TestRun.Cancel);
        }

        var stop = visit.Page.GetByRole(AriaRole.Button, new() { Name = "Stop this run" });
        // A reader of the keyboard lands on the title; the button is next, once it can be pressed.
        await Assertions.Expect(visit.Page.Locator("[data-landing]")).ToBeFocusedAsync();
        await Assertions.Expect(stop).ToBeEnabledAsync();
        await visit.Page.Keyboard.PressAsync("Tab");
        await Assertions.Expect(stop).ToBeFocusedAsync();
        await visit.Page.Keyboard.PressAsync("Enter");

        await Visit.ShowsAsync(visit.Page, "cancelled");
        visit.AssertClean();
    }

    [Fact]
    public async Task A_draft_survives_a_reload_and_is_gone_once_sent()
    {
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ask");
        await visit.Page.Locator("#prompt").FillAsync("Half a thought");

        await visit.Page.ReloadAsync();
        await Assertions.Expect(visit.Page.Locator("#prompt")).ToHaveValueAsync("Half a thought");
        await Send(visit.Page).ClickAsync();
        await Visit.ShowsRunAsync(visit.Page);
        await visit.OpenAsync("/ask");

        Assert.Null(await visit.Page.EvaluateAsync<string?>("sessionStorage.getItem('ask.draft')"));
        await Assertions.Expect(visit.Page.Locator("#prompt")).ToHaveValueAsync("");
        visit.AssertClean();
    }

    [Fact]
    public async Task A_run_that_failed_can_be_asked_again_with_its_own_text()
    {
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ask");
        await visit.Page.Locator("#prompt").FillAsync("This will fail.");
        await stack.Stack.TeachRefusalAsync("sim");
        try
        {
            await Send(visit.Page).ClickAsync();
            await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Ask again" }).ClickAsync(new() { Timeout = 60_000 });
        }
        finally
        {
            await stack.Stack.Simulator.PostAsync("/sim/reset", null, TestRun.Cancel);
        }

        await Assertions.Expect(visit.Page.Locator("#prompt")).ToHaveValueAsync("This will fail.");
        visit.AssertClean();
    }

    [Fact]
    public async Task An_empty_form_says_what_is_missing_and_sends_nothing()
    {
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ask");

        await Send(visit.Page).ClickAsync();

        await visit.Page.GetByRole(AriaRole.Alert).GetByText("Write what the model should do").WaitForAsync();
        Assert.EndsWith("/ask", visit.Page.Url, StringComparison.Ordinal);
        visit.AssertClean();
    }

    [Fact]
    public async Task A_text_as_long_as_the_api_takes_reaches_it()
    {
        var text = string.Concat(Enumerable.Repeat("A sentence of some length, again and again. ", 10_000));
        await using var visit = await BeginAsync();
        await visit.OpenAsync("/ask");

        await visit.Page.Locator("#prompt").FillAsync(text);
        await Send(visit.Page).ClickAsync();
        await Visit.ShowsRunAsync(visit.Page);

        await Visit.CompleteAsync(visit.Page);
        visit.AssertClean();
    }

    private Task<Visit> BeginAsync() => Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);

    private static ILocator Send(IPage page) => page.GetByRole(AriaRole.Button, new() { Name = "Send" });

    private async Task<int> CountAsync(string title)
    {
        var bytes = await stack.Stack.Api.GetByteArrayAsync("/api/v1/jobs?limit=200", TestRun.Cancel);
        return JsonSerializer.Deserialize(bytes, WireJson.Default.JobPage)!.Data.Count(job => job.Title == title);
    }
}
