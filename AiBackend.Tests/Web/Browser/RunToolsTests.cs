using AiBackend.ApiContracts;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What a run's tools were asked and answered, where its reader looks.</summary>
[Collection(StackCollection.Name)]
public sealed class RunToolsTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    [Fact]
    public async Task A_run_shows_the_calls_of_its_tools_with_arguments_and_results_which_are_text()
    {
        const string Hostile = """{"zone":"<img src=x onerror=window.hit=1>"}""";
        var jobs = new JobClient(stack.Stack);
        var model = await jobs.TeachWordsAsync(words: 3, intervalMs: 1);
        using var taught = await stack.Stack.Simulator.PutAsJsonAsync(
            $"/sim/behaviours/{model}",
            new Dictionary<string, object>
            {
                ["words"] = 3,
                ["tools"] = "first",
                ["tool_arguments"] = Hostile,
            },
            TestRun.Cancel
        );
        using var accepted = await stack.Stack.Api.PostAsJsonAsync(
            "/api/v1/jobs",
            new Dictionary<string, object>
            {
                ["type"] = "chat",
                ["model"] = model,
                ["input"] = new
                {
                    messages = new[] { new { role = "user", content = "What time is it?" } },
                    tools = new[] { "current_time" },
                },
            },
            TestRun.Cancel
        );
        Assert.True(accepted.IsSuccessStatusCode, await accepted.Content.ReadAsStringAsync(TestRun.Cancel));
        var job = (await accepted.Content.ReadFromJsonAsync(WireJson.Default.Job, TestRun.Cancel))!;
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);

        await visit.OpenAsync($"/runs/{job.Id}");

        var call = visit.Page.Locator("[data-tool-call]");
        await Assertions.Expect(call).ToHaveCountAsync(1, new() { Timeout = 30_000 });
        await Assertions.Expect(call).ToContainTextAsync("current_time");
        await call.Locator("summary").ClickAsync();
        await Assertions.Expect(call.GetByLabel("Arguments")).ToHaveTextAsync(Hostile);
        await Assertions.Expect(call.GetByLabel("Result")).Not.ToBeEmptyAsync();
        Assert.Null(await visit.Page.EvaluateAsync<string?>("window.hit === undefined ? null : 'hit'"));
        visit.AssertClean();
    }
}
