using System.Text;
using System.Text.Json;
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
        await Assertions.Expect(call).ToHaveCountAsync(1);
        await Assertions.Expect(call).ToContainTextAsync("current_time");
        await call.Locator("summary").ClickAsync();
        await Assertions.Expect(call.GetByLabel("Arguments")).ToHaveTextAsync(Hostile);
        await Assertions.Expect(call.GetByLabel("Result")).Not.ToBeEmptyAsync();
        Assert.Null(await visit.Page.EvaluateAsync<string?>("window.hit === undefined ? null : 'hit'"));
        visit.AssertClean();
    }

    [Fact]
    public async Task A_run_shows_the_effect_that_waits_for_approval_and_still_does_when_it_was_stopped_and_the_page_is_loaded_anew()
    {
        var jobs = new JobClient(stack.Stack);
        var model = await jobs.TeachWordsAsync(words: 3, intervalMs: 1);
        var name = $"pay_{Guid.CreateVersion7():N}"[..20];
        await SendAsync(HttpMethod.Put, stack.Stack.Simulator, $"/sim/behaviours/{model}", """{"words":3,"tools":"first"}""");
        await SendAsync(
            HttpMethod.Put,
            stack.Stack.Api,
            $"/api/v1/tools/{name}",
            """{"kind":"http","description":"Pays.","parameters":{"type":"object"},"effect":"write","url":"https://pay.example.com/pay"}"""
        );
        var accepted = await SendAsync(
            HttpMethod.Post,
            stack.Stack.Api,
            "/api/v1/jobs",
            $$"""{"type":"chat","model":"{{model}}","input":{"messages":[{"role":"user","content":"Pay."}],"tools":["{{name}}"]} }"""
        );
        var job = accepted.GetProperty("id").GetGuid();
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        var waiting = visit.Page.Locator("[data-tool-call=awaiting_approval]");

        await visit.OpenAsync(job);
        await Assertions.Expect(waiting).ToContainTextAsync("writes · waits for approval", new() { Timeout = 60_000 });
        await jobs.CancelAsync(job);
        await jobs.EndAsync(job);
        await using var later = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await later.OpenAsync(job);
        await Visit.CompleteAsync(later.Page);

        var calls = await SendAsync(HttpMethod.Get, stack.Stack.Api, $"/api/v1/jobs/{job}/tool-calls", null);
        var effect = Assert.Single(calls.GetProperty("data").EnumerateArray()).GetProperty("effect_id").GetString()!;
        await Assertions.Expect(later.Page.Locator("[data-tool-call] [data-effect-id]")).ToHaveAttributeAsync("data-effect-id", effect);
        visit.AssertClean();
        later.AssertClean();
    }

    private static async Task<JsonElement> SendAsync(HttpMethod method, HttpClient to, string path, string? body)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await to.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }
}
