using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Answers of steps that become files: named by their values, listed with their steps, and gone with their run.</summary>
public sealed class ArtifactStepTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private const string Table = "a,b\n1,2\n";

    private const string Definition = """
        {"steps":[
          {"name":"table","type":"chat","messages":[{"role":"user","content":"Hi"}],"artifact":{"name":"{{input.who}}.csv","type":"text/csv"} },
          {"name":"parts","type":"map","over":"{{input.parts}}",
           "step":{"type":"chat","messages":[{"role":"user","content":"{{item}}"}],"artifact":{"name":"part-{{index}}.md","type":"text/markdown"} } }],
         "output":"{{steps.table}}"}
        """;

    [Fact]
    public async Task A_step_s_answer_is_a_value_and_a_file_that_is_listed_with_it_and_can_be_downloaded()
    {
        await using var stack = await StartAsync();
        // Of a path the last part, and nothing that turns the direction of writing.
        var run = await RunAsync(stack.Api.Http, """{"who":"../../Q1\u202Efdp","parts":["x","y"]}""");

        var steps = await StepsAsync(stack.Api.Http, run.Id);

        Assert.Equal(("completed", Table), (run.Status, run.Output!.Text));
        var table = Assert.Single(steps.Single(step => step.Name == "table").Artifacts!);
        Assert.Equal(("Q1fdp.csv", "text/csv", Table.Length), (table.Name, table.MediaType, (int)table.Bytes));
        Assert.Equal(
            ["part-0.md", "part-1.md"],
            steps.Where(step => step.Index is not null).OrderBy(step => step.Index).Select(step => step.Artifacts!.Single().Name)
        );
        Assert.Null(steps.Single(step => step is { Name: "parts", Index: null }).Artifacts);
        Assert.Equal(Table, await stack.Api.Http.GetStringAsync(Content(table.File), TestRun.Cancel));
        using var foreign = await stack.Api.Client(await stack.Api.AddTenantAsync()).GetAsync(Content(table.File), TestRun.Cancel);
        Assert.Equal(HttpStatusCode.NotFound, foreign.StatusCode);
    }

    [Fact]
    public async Task The_files_go_with_the_run()
    {
        await using var stack = await StartAsync();
        var run = await RunAsync(stack.Api.Http, """{"who":"a","parts":[]}""");
        var table = (await StepsAsync(stack.Api.Http, run.Id)).Single(step => step.Name == "table").Artifacts!.Single();

        using var deleted = await stack.Api.Http.DeleteAsync(new Uri(run.Links.Self, UriKind.Relative), TestRun.Cancel);

        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        using var gone = await stack.Api.Http.GetAsync(Content(table.File), TestRun.Cancel);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
    }

    private async Task<WorkersBehindApi> StartAsync() =>
        await WorkersBehindApi.StartAsync(
            postgres,
            simulator.Address,
            [await simulator.ModelAsync(new { text = Table, words = (int?)null })],
            workers: 1
        );

    private static async Task<Job> RunAsync(HttpClient http, string input)
    {
        using var put = await http.PutAsync(new Uri("/api/v1/workflows/w", UriKind.Relative), Json(Definition), TestRun.Cancel);
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync(TestRun.Cancel));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/workflows/w/runs")
        {
            Content = Json("{\"input\":" + input + "}"),
            Headers = { { "Prefer", "wait=60" } },
        };
        using var response = await http.SendAsync(request, TestRun.Cancel);
        return await ApiServer.ReadJobAsync(response);
    }

    private static async Task<IReadOnlyList<RunStepState>> StepsAsync(HttpClient http, Guid run) =>
        JsonSerializer
            .Deserialize(
                await http.GetStringAsync(new Uri($"/api/v1/jobs/{run}/steps", UriKind.Relative), TestRun.Cancel),
                WireJson.Default.RunSteps
            )!
            .Data;

    private static Uri Content(Guid file) => new($"/api/v1/files/{file}/content", UriKind.Relative);

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");
}
