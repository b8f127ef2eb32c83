using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Workflows;

/// <summary>What lists say of workflows and their versions.</summary>
public sealed class WorkflowListTests(ApiServer api) : WorkflowCalls(api)
{
    [Fact]
    public async Task A_list_says_how_many_steps_a_workflow_has_and_how_often_it_was_run_by_whoever_asks()
    {
        var (name, never) = (Name(), Name());
        await PutAsync(name, Echo);
        await PutAsync(never, Echo);
        await PutAsync(name, """{"steps":[{"name":"one","type":"timer","seconds":1},{"name":"two","type":"timer","seconds":1}]}""");
        await RunIdAsync(name, "{}", null);
        await RunIdAsync(name, """{"version":1,"input":{"a":1}}""", null);
        var stranger = Api.Client(await Api.AddTenantAsync());
        using var same = await stranger.PutAsync(Address(name), Json(Echo), TestRun.Cancel);

        var (mine, theirs) = (await ListAsync(Api.Http, "?limit=200"), await ListAsync(stranger, ""));

        Assert.Equal((2, 2, 2), Of(mine.Data.Single(each => each.Name == name)));
        Assert.Equal((1, 1, 0), Of(mine.Data.Single(each => each.Name == never)));
        Assert.Equal((1, 1, 0), Of(Assert.Single(theirs.Data)));

        static (int Version, int Steps, int? Runs) Of(WorkflowSummary workflow) => (workflow.Version, workflow.Steps, workflow.Runs);
    }

    [Fact]
    public async Task The_versions_of_a_workflow_are_listed_page_by_page_newest_first()
    {
        var name = Name();
        for (var version = 1; version <= 3; version++)
        {
            await PutAsync(name, Echo);
        }

        var page = await VersionsAsync(name, "?limit=2");
        var rest = await VersionsAsync(name, $"?limit=2&cursor={page.NextCursor}");
        using var none = await Api.Http.GetAsync(new Uri($"/api/v1/workflows/{Name()}/versions", UriKind.Relative), TestRun.Cancel);

        Assert.Equal([3, 2, 1], page.Data.Concat(rest.Data).Select(version => version.Version));
        Assert.Equal((null, HttpStatusCode.NotFound), (rest.NextCursor, none.StatusCode));
    }

    private async Task<WorkflowList> VersionsAsync(string name, string query) =>
        JsonSerializer.Deserialize(
            await Api.Http.GetStringAsync(new Uri($"/api/v1/workflows/{name}/versions{query}", UriKind.Relative), TestRun.Cancel),
            WireJson.Default.WorkflowList
        )!;

    private static async Task<WorkflowList> ListAsync(HttpClient http, string query)
    {
        var page = await http.GetStringAsync(new Uri($"/api/v1/workflows{query}", UriKind.Relative), TestRun.Cancel);
        return JsonSerializer.Deserialize(page, WireJson.Default.WorkflowList)!;
    }
}
