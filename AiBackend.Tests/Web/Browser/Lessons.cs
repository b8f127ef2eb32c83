using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What the browser tests teach the simulator.</summary>
internal static class Lessons
{
    /// <summary>A model that writes this text.</summary>
    /// <param name="model">One that was taught something else before; null for a new one.</param>
    public static Task<string> TeachTextAsync(this Stack stack, string text, int intervalMs, string? model = null) =>
        stack.TeachAsync(
            model ?? NewModel,
            new()
            {
                ["text"] = text,
                ["interval_ms"] = intervalMs,
                ["ttft_ms"] = 50,
            }
        );

    /// <summary>A model whose provider refuses every request for good.</summary>
    /// <param name="model">One that others use as well must be put right by <c>/sim/reset</c>; null for a new one.</param>
    /// <param name="status">What it answers: 400 is the caller's own error; 402 to 404 are an operator's to mend, so the job is a dead letter. Never 401: then nobody asks the provider any more.</param>
    public static Task<string> TeachRefusalAsync(this Stack stack, string? model = null, int status = 400) =>
        stack.TeachAsync(model ?? NewModel, new() { ["error_rate"] = 1, ["error_status"] = status });

    /// <summary>A job whose model never keeps its contract, so that a person has to look at the answer.</summary>
    public static async Task<Guid> AskForReviewAsync(this Stack stack)
    {
        var model = await stack.TeachAsync(NewModel, new() { ["json"] = "wrong_type" });
        const string Schema = """{"type":"object","properties":{"total":{"type":"number"}},"required":["total"]}""";
        using var response = await stack.Api.PostAsync(
            new Uri("/api/v1/jobs", UriKind.Relative),
            new StringContent(
                $$"""{"type":"chat","model":"{{model}}","input":{"messages":[{"role":"user","content":"What is the total?"}]},"contract":{"schema":{{Schema}},"on_violation":"review"} }""",
                System.Text.Encoding.UTF8,
                "application/json"
            ),
            TestRun.Cancel
        );
        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, body);
        var id = JsonSerializer.Deserialize(body, WireJson.Default.Job)!.Id;
        await Eventually.TrueAsync(
            async token => (await new JobClient(stack).GetAsync(id, token)).Status == JobStatuses.WaitingForReview,
            "the answer waits for a person",
            TimeSpan.FromSeconds(60)
        );
        return id;
    }

    /// <summary>A workflow of which a page can show everything.</summary>
    /// <returns>The page.</returns>
    public static async Task<string> AddWorkflowAsync(this Stack stack)
    {
        using var response = await stack.Api.PutAsync(
            new Uri("/api/v1/workflows/page", UriKind.Relative),
            new StringContent(
                """
                {"description":"Sums up what it is given, text by text","limits":{"max_cost_usd":2},
                 "steps":[{"name":"each","type":"map","over":"{{input.all}}",
                           "step":{"type":"chat","max_attempts":3,"messages":[{"role":"user","content":"Sum up {{item}}"}],"artifact":{"name":"part-{{index}}.md","type":"text/markdown"}}},
                          {"name":"look","type":"review","question":"Is it right?","value":"{{steps.each}}"},
                          {"name":"out","type":"transform","value":"{{steps.look}}","after":["each"]}]}
                """,
                System.Text.Encoding.UTF8,
                "application/json"
            ),
            TestRun.Cancel
        );
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return "/workflows/page";
    }

    private static string NewModel => $"sim-{Guid.CreateVersion7():N}";

    private static async Task<string> TeachAsync(this Stack stack, string model, Dictionary<string, object> behaviour)
    {
        using var response = await stack.Simulator.PutAsJsonAsync($"/sim/behaviours/{model}", behaviour, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return model;
    }
}
