using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Workflows;

/// <summary>Workflows and runs over the API.</summary>
public sealed class WorkflowApiTests(ApiServer api) : WorkflowCalls(api)
{
    [Fact]
    public async Task Each_put_adds_a_version_and_a_run_keeps_the_one_it_began_with()
    {
        var name = Name();
        Assert.Equal((HttpStatusCode.Created, 1), await PutAsync(name, Echo));
        Assert.Equal((HttpStatusCode.OK, 2), await PutAsync(name, Echo));

        using var old = await PostAsync($"{name}/runs", """{"version":1,"input":{"a":1}}""");
        using var none = await PostAsync($"{name}/runs", """{"version":7,"input":{"a":1}}""");

        var run = JsonSerializer.Deserialize(await old.Content.ReadAsStringAsync(TestRun.Cancel), WireJson.Default.Job)!;
        Assert.Equal((HttpStatusCode.Accepted, "workflow", $"{name} v1"), (old.StatusCode, run.Type, run.Title));
        Assert.Equal(HttpStatusCode.NotFound, none.StatusCode);
        var steps = await Api.Http.GetStringAsync(new Uri($"/api/v1/jobs/{run.Id}/steps", UriKind.Relative), TestRun.Cancel);
        Assert.Empty(JsonSerializer.Deserialize(steps, WireJson.Default.RunSteps)!.Data);
    }

    [Fact]
    public async Task A_repeat_of_a_run_is_the_same_run_also_when_there_is_a_newer_version_by_then()
    {
        var name = Name();
        await PutAsync(name, Echo);

        var first = await RunIdAsync(name, """{"input":{"a":1}}""", "k");
        await PutAsync(name, Echo);
        var repeat = await RunIdAsync(name, """{"input":{"a":1}}""", "k");
        using var other = await PostAsync($"{name}/runs", """{"input":{"a":2}}""", "k");

        Assert.Equal(first, repeat);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
    }

    [Fact]
    public async Task A_repeat_is_the_first_run_also_when_the_newest_version_asks_another_model_or_there_is_no_workflow_any_more()
    {
        var name = Name();
        const string Chat = """{"steps":[{"name":"a","type":"chat","model":"MODEL","messages":[{"role":"user","content":"x"}]}]}""";
        await PutAsync(name, Echo);
        var first = await RunIdAsync(name, """{"input":{"a":[1, 2]}}""", "again");

        await PutAsync(name, Chat.Replace("MODEL", "nobody", StringComparison.Ordinal));
        var refusedNow = await RunIdAsync(name, """{"input":{"a":[1,2]}}""", "again");
        using var deleted = await Api.Http.DeleteAsync(Address(name), TestRun.Cancel);
        var without = await RunIdAsync(name, """{"input":{"a":[1,2]}}""", "again");
        using var another = await PostAsync($"{name}/runs", """{"input":{"a":[1,2]}}""", "new");

        Assert.Equal([first, first], [refusedNow, without]);
        Assert.Equal(HttpStatusCode.NotFound, another.StatusCode);
    }

    [Fact]
    public async Task Workflows_are_listed_page_by_page_without_what_they_do()
    {
        var http = Api.Client(await Api.AddTenantAsync());
        foreach (var name in new[] { "c", "a", "b" })
        {
            using var put = await http.PutAsync(
                Address(name),
                Json(Echo.Replace("{\"input\"", $"{{\"description\":\"{name}!\",\"input\"", StringComparison.Ordinal)),
                TestRun.Cancel
            );
            Assert.True(put.IsSuccessStatusCode);
        }

        var page = await ListAsync(http, "?limit=2");
        var rest = await ListAsync(http, $"?limit=2&cursor={page.NextCursor}");
        using var wrong = await http.GetAsync(new Uri("/api/v1/workflows?cursor=%20", UriKind.Relative), TestRun.Cancel);

        Assert.Equal(["a", "b", "c"], page.Data.Concat(rest.Data).Select(workflow => workflow.Name));
        Assert.Equal(("a!", null), (page.Data[0].Description, rest.NextCursor));
        Assert.Equal("bad-cursor", (await ApiServer.ReadProblemAsync(wrong)).Type.Split('/')[^1]);
    }

    [Theory]
    [InlineData("SELECT 'x' || n, 1, '{}' FROM generate_series(1, 1000) n")]
    [InlineData("SELECT 'w', n, '{}' FROM generate_series(1, 1000) n")]
    public async Task A_tenant_has_only_so_many_workflows_and_versions(string rows)
    {
        var tenantId = Guid.CreateVersion7();
        await ExecuteAsync($"INSERT INTO tenants (id, slug) VALUES ('{tenantId}', '{tenantId}')");
        await ExecuteAsync($"INSERT INTO workflows (tenant_id, name, version, definition) SELECT '{tenantId}', r.* FROM ({rows}) r");
        var http = Api.Client(await Api.AddKeyAsync(tenantId, "*"));

        using var put = await http.PutAsync(Address("w"), Json(Echo), TestRun.Cancel);

        Assert.Equal("too-many-workflows", (await ApiServer.ReadProblemAsync(put)).Type.Split('/')[^1]);
        // A further version of what there is is no further workflow.
        using var more = await http.PutAsync(Address("x1"), Json(Echo), TestRun.Cancel);
        Assert.True(more.IsSuccessStatusCode);
    }

    [Fact]
    public async Task The_steps_of_a_run_are_listed_page_by_page()
    {
        var name = Name();
        await PutAsync(name, Echo);
        var run = await RunIdAsync(name, """{"input":{"a":1}}""", null);
        await ExecuteAsync(
            $"""
            INSERT INTO workflow_steps (run_id, name, item, tenant_id, state, type, output, started_at)
            SELECT '{run}', 'm', n - 1, tenant_id, 2, 'map', to_json(n)::text, now() + (1000 - n) * interval '1 ms'
              FROM jobs, generate_series(0, 4) n WHERE id = '{run}'
            """
        );

        var shown = new List<int?>();
        for (var cursor = (string?)""; cursor is not null; )
        {
            var page = await Api.Http.GetStringAsync(
                new Uri($"/api/v1/jobs/{run}/steps?limit=2{cursor}", UriKind.Relative),
                TestRun.Cancel
            );
            var steps = JsonSerializer.Deserialize(page, WireJson.Default.RunSteps)!;
            shown.AddRange(steps.Data.Select(step => step.Index));
            cursor = steps.NextCursor is { } next ? $"&cursor={next}" : null;
        }

        Assert.Equal([3, 2, 1, 0, null], shown);
    }

    [Theory]
    [InlineData("""{"name":"x","data":1e99999999999}""", "data cannot be what a step gives")]
    [InlineData("""{"name":"x","data":[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]}""", "24 levels")]
    public async Task An_event_that_no_step_can_give_is_refused(string body, string fault)
    {
        var name = Name();
        await PutAsync(name, Echo);
        var run = await RunIdAsync(name, """{"input":{"a":1}}""", null);

        using var posted = await Api.Http.PostAsync(new Uri($"/api/v1/jobs/{run}/events", UriKind.Relative), Json(body), TestRun.Cancel);
        using var begun = await PostAsync($"{name}/runs", body.Replace("\"name\":\"x\",\"data\"", "\"input\"", StringComparison.Ordinal));

        Assert.Contains(fault, (await ApiServer.ReadProblemAsync(posted)).Detail, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest), (posted.StatusCode, begun.StatusCode));
    }

    [Theory]
    [InlineData("""{"steps":[]}""", "steps has 0 steps")]
    [InlineData("""{"steps":[{"name":"A","type":"transform","value":1}]}""", "steps[0].name must have")]
    [InlineData("""{"steps":[{"name":"a","type":"magic"}]}""", "steps[0].type must be one of")]
    [InlineData("""{"steps":[{"name":"a","type":"transform"}]}""", "steps[0].value is missing")]
    [InlineData("""{"steps":[{"name":"a","type":"transform","value":1,"seconds":3}]}""", "steps[0].seconds is not for the type transform")]
    [InlineData(
        """{"steps":[{"name":"a","type":"transform","value":1},{"name":"a","type":"transform","value":1}]}""",
        "which another step has"
    )]
    [InlineData("""{"steps":[{"name":"a","type":"transform","value":"{{steps.b}}"}]}""", "depends on b, which is no step")]
    [InlineData(
        """{"steps":[{"name":"a","type":"transform","value":"{{steps.b}}"},{"name":"b","type":"transform","value":"{{steps.a}}"}]}""",
        "go in a circle: a, b"
    )]
    [InlineData("""{"steps":[{"name":"a","type":"transform","value":"{{system.secret}}"}]}""", "has the placeholder system.secret")]
    [InlineData(
        """{"steps":[{"name":"a","type":"map","over":"all","step":{"type":"chat","messages":[{"role":"user","content":"x"}]}}]}""",
        "steps[0].over must be one placeholder"
    )]
    [InlineData(
        """{"steps":[{"name":"a","type":"map","over":"{{input}}","step":{"type":"timer","seconds":1}}]}""",
        "steps[0].step must be a step of one of the types chat, tool, review"
    )]
    [InlineData("""{"steps":[{"name":"a","type":"chat","messages":[{"role":"user","content":""}]}]}""", "steps[0].messages[0]")]
    [InlineData(
        """{"steps":[{"name":"a","type":"chat","messages":[{"role":"user","content":"x"}],"contract":{"schema":{"type":"text"}}}]}""",
        "steps[0].contract.schema/type"
    )]
    [InlineData("""{"steps":[{"name":"a","type":"transform","value":1e99999999999}]}""", "steps cannot be used: it has the number")]
    [InlineData("""{"steps":[{"name":"a","type":"timer","seconds":-1}]}""", "steps[0].seconds must be from 0")]
    [InlineData(
        """{"steps":[{"name":"a","type":"transform","value":1,"when":{"value":"x","equal":1}}]}""",
        "steps[0].when must have a value"
    )]
    public async Task A_workflow_that_cannot_be_is_refused_by_name(string body, string fault)
    {
        using var response = await Api.Http.PutAsync(Address(Name()), Json(body), TestRun.Cancel);

        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(fault, JsonDocument.Parse(text).RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_whose_input_does_not_fit_or_whose_model_nobody_has_is_refused()
    {
        var (echo, unknown) = (Name(), Name());
        await PutAsync(echo, Echo);
        await PutAsync(unknown, """{"steps":[{"name":"a","type":"chat","model":"nobody","messages":[{"role":"user","content":"x"}]}]}""");

        using var misfit = await PostAsync($"{echo}/runs", """{"input":{}}""");
        using var noModel = await PostAsync($"{unknown}/runs", "{}");

        Assert.Contains("input/a is missing", (await ApiServer.ReadProblemAsync(misfit)).Detail, StringComparison.Ordinal);
        Assert.Contains("nobody", (await ApiServer.ReadProblemAsync(noModel)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_1_another_tenant_has_no_such_workflow_run_or_event()
    {
        var name = Name();
        await PutAsync(name, Echo);
        var run = await RunIdAsync(name, """{"input":{"a":1}}""", null);
        var stranger = Api.Client(await Api.AddTenantAsync());

        using var workflow = await stranger.GetAsync(Address(name), TestRun.Cancel);
        using var steps = await stranger.GetAsync(new Uri($"/api/v1/jobs/{run}/steps", UriKind.Relative), TestRun.Cancel);
        using var posted = await stranger.PostAsync(
            new Uri($"/api/v1/jobs/{run}/events", UriKind.Relative),
            Json("""{"name":"x"}"""),
            TestRun.Cancel
        );
        using var own = await Api.Http.PostAsync(
            new Uri($"/api/v1/jobs/{run}/events", UriKind.Relative),
            Json("""{"name":"x"}"""),
            TestRun.Cancel
        );

        Assert.Equal(
            [HttpStatusCode.NotFound, HttpStatusCode.NotFound, HttpStatusCode.NotFound],
            [workflow.StatusCode, steps.StatusCode, posted.StatusCode]
        );
        Assert.Equal(HttpStatusCode.Conflict, own.StatusCode);
    }

    [Fact]
    public async Task A_workflow_that_is_deleted_is_gone_with_its_versions()
    {
        var name = Name();
        await PutAsync(name, Echo);

        using var first = await Api.Http.DeleteAsync(Address(name), TestRun.Cancel);
        using var second = await Api.Http.DeleteAsync(Address(name), TestRun.Cancel);
        var list = await Api.Http.GetStringAsync(new Uri("/api/v1/workflows", UriKind.Relative), TestRun.Cancel);

        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NotFound), (first.StatusCode, second.StatusCode));
        Assert.DoesNotContain(name, list, StringComparison.Ordinal);
    }

    private static async Task<WorkflowList> ListAsync(HttpClient http, string query)
    {
        var page = await http.GetStringAsync(new Uri($"/api/v1/workflows{query}", UriKind.Relative), TestRun.Cancel);
        return JsonSerializer.Deserialize(page, WireJson.Default.WorkflowList)!;
    }

    private async Task ExecuteAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of the tests.
        await using var command = Api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
