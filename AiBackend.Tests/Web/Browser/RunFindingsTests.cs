using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What a run rests on and what was found about it, where its reader looks: prompt, passages, conversation, contract.</summary>
[Collection(StackCollection.Name)]
public sealed class RunFindingsTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private readonly string _name = $"f{Guid.CreateVersion7():N}"[..20];

    [Fact]
    public async Task A_run_shows_its_prompt_s_version_the_passages_with_scores_and_the_contract_s_verdict()
    {
        await AddPassageAsync();
        await SendAsync(
            HttpMethod.Post,
            "prompts",
            $$$"""{"name":"{{{_name}}}","template":{"messages":[{"role":"user","content":"Why does the {{what}} blink?"}],"variables":{"what":{} } } }"""
        );
        var job = await SendAsync(
            HttpMethod.Post,
            "jobs",
            $$"""
            {"type":"chat","input":{"prompt":{"name":"{{_name}}","version":1,"variables":{"what":"lamp"} } },"retrieve":{"collection":"{{_name}}"},
             "contract":{"schema":{"type":"object","required":["cause"],"properties":{"cause":{"type":"string"} } } } }
            """
        );
        await using var visit = await OpenAsync(job);
        var page = visit.Page;

        await Assertions.Expect(page.Locator("[data-prompt]")).ToHaveTextAsync($"{_name}@1");
        await Assertions.Expect(page.Locator("[data-passage]")).ToHaveCountAsync(1);
        await Assertions
            .Expect(page.Locator("[data-passage]"))
            .ToContainTextAsync(new Regex(@"Lamp manual lamps\.md, part 1 · score 0[.,]\d+"));
        await Assertions
            .Expect(page.Locator("section[aria-labelledby=contract]"))
            .ToContainTextAsync(new Regex("The answer (kept it at once|keeps it after)"));
        visit.AssertClean();
    }

    [Fact]
    public async Task A_run_of_a_conversation_shows_its_parts_with_their_sizes_and_what_was_looked_up_for_it()
    {
        await AddPassageAsync();
        var talk = (await SendAsync(HttpMethod.Post, "conversations", """{"title":"Lamps","instructions":"Answer in one sentence."}"""))
            .GetProperty("id")
            .GetString();
        var job = await SendAsync(
            HttpMethod.Post,
            "jobs",
            $$"""
            {"type":"chat","conversation":{"id":"{{talk}}"},"retrieve":{"collection":"{{_name}}"},
             "input":{"messages":[{"role":"user","content":"Why does the lamp blink?"}]} }
            """
        );
        await using var visit = await OpenAsync(job);
        var parts = visit.Page.Locator("section[aria-labelledby=context] li");

        await Assertions
            .Expect(parts)
            .ToContainTextAsync([
                new Regex(@"system: about \d+ of 16.?000 tokens"),
                new Regex(@"retrieved: about \d+ of 4.?000 tokens"),
                new Regex(@"input: about \d+ of 16.?000 tokens"),
            ]);
        await Assertions.Expect(visit.Page.Locator("[data-passage]")).ToContainTextAsync("Lamp manual");
        visit.AssertClean();
    }

    [Fact]
    public async Task A_run_of_a_workflow_shows_which_of_its_steps_keeps_its_contract_and_which_does_not()
    {
        await SendAsync(
            HttpMethod.Put,
            $"workflows/{_name}",
            """
            {"steps":[{"name":"good","type":"transform","value":"{{input}}","contract":{"schema":{"type":"integer"}}},
                      {"name":"bad","type":"transform","value":"{{steps.good}}","contract":{"rules":[{"rule":"range","min":5}]}}]}
            """
        );
        var run = await SendAsync(HttpMethod.Post, $"workflows/{_name}/runs", """{"input":3}""");
        await using var visit = await OpenAsync(run);
        var page = visit.Page;

        await Assertions.Expect(page.Locator("[data-step=succeeded] [data-verdict=valid]")).ToContainTextAsync("keeps its contract");
        await Assertions
            .Expect(page.Locator("[data-step=failed] [data-verdict=rule]"))
            .ToContainTextAsync(new Regex("breaks its contract \\(rule\\): the value .*5"));
        visit.AssertClean();
    }

    private Task<JsonElement> AddPassageAsync() =>
        SendAsync(
            HttpMethod.Put,
            $"knowledge/{_name}/documents",
            """{"source":"lamps.md","title":"Lamp manual","text":"The blue lamp blinks when its filter is full."}"""
        );

    private async Task<Visit> OpenAsync(JsonElement job)
    {
        var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync($"/runs/{job.GetProperty("id").GetString()}");
        return visit;
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, string body)
    {
        using var request = new HttpRequestMessage(method, $"/api/v1/{path}")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        using var response = await stack.Stack.Api.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonElement.Parse(text);
    }
}
