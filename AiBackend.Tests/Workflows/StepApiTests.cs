using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Reviews;

namespace AiBackend.Tests.Workflows;

/// <summary>Steps that call tools or ask people, and limits of runs, at the Api's door.</summary>
public sealed class StepApiTests(ApiServer api) : WorkflowCalls(api)
{
    private const string Clock = """{"steps":[{"name":"now","type":"tool","tool":"current_time"}]}""";

    [Theory]
    [InlineData("""{"type":"tool"}""", "steps[0].tool", "is missing")]
    [InlineData("""{"type":"tool","tool":"t","arguments":[1]}""", "steps[0].arguments", "must be an object")]
    [InlineData("""{"type":"tool","tool":"t","value":1}""", "steps[0].value", "is not for the type tool")]
    [InlineData("""{"type":"tool","tool":"t","max_attempts":99}""", "steps[0].max_attempts", "99")]
    [InlineData("""{"type":"tool","tool":"t","backoff":{"initial_seconds":0}}""", "steps[0].backoff.initial_seconds", "0.1 to 3600")]
    [InlineData("""{"type":"tool","tool":"t","backoff":{"max_seconds":86401}}""", "steps[0].backoff.max_seconds", "0.1 to 86400")]
    [InlineData(
        """{"type":"tool","tool":"t","backoff":{"max_seconds":3}}""",
        "steps[0].backoff.max_seconds",
        "less than initial_seconds, 4"
    )]
    [InlineData("""{"type":"tool","tool":"t","backoff":{"factor":0.5}}""", "steps[0].backoff.factor", "1 to 10")]
    [InlineData("""{"type":"tool","tool":"t","max_attempts":1,"backoff":{}}""", "steps[0].backoff", "nothing is tried again")]
    [InlineData("""{"type":"review","question":"?","value":1,"backoff":{}}""", "steps[0].backoff", "is not for the type review")]
    [InlineData(
        """{"type":"chat","messages":[{"role":"user","content":"x"}],"artifact":{"name":"a/b","type":"text/csv"}}""",
        "steps[0].artifact.name",
        "without a path"
    )]
    [InlineData(
        """{"type":"chat","messages":[{"role":"user","content":"x"}],"artifact":{"name":"a","type":"image/png"}}""",
        "steps[0].artifact.type",
        "application/json"
    )]
    [InlineData(
        """{"type":"chat","messages":[{"role":"user","content":"x"}],"artifact":{"name":"a","type":"text/csv"},"contract":{"schema":{}}}""",
        "steps[0].artifact.type",
        "an answer with a contract is JSON"
    )]
    [InlineData(
        """{"type":"chat","messages":[{"role":"user","content":"x"}],"artifact":{"name":"{{steps.b}}","type":"text/csv"}}""",
        "steps[0]",
        "depends on b, which is no step"
    )]
    [InlineData("""{"type":"tool","tool":"t","artifact":{"name":"a","type":"text/csv"}}""", "steps[0].artifact", "type tool")]
    [InlineData("""{"type":"tool","tool":"t","inline":true}""", "steps[0].inline", "current_time, search_knowledge. Leave it out")]
    [InlineData("""{"type":"transform","value":1,"inline":true}""", "steps[0].inline", "is not for the type transform")]
    [InlineData(
        """{"type":"map","over":"{{input}}","step":{"type":"tool","tool":"current_time","inline":true}}""",
        "steps[0].step.inline",
        "Leave it out"
    )]
    [InlineData("""{"type":"review","value":1}""", "steps[0].question", "is missing")]
    [InlineData("""{"type":"review","question":"?"}""", "steps[0].value", "is missing")]
    [InlineData("""{"type":"review","question":"?","value":1,"review":{"on_timeout":"continue"}}""", "steps[0].review.on_timeout", "anew")]
    [InlineData(
        """{"type":"review","question":"?","value":1,"review":{"timeout_seconds":0}}""",
        "steps[0].review.timeout_seconds",
        "from 1"
    )]
    [InlineData(
        """{"type":"review","question":"?","value":1,"contract":{"schema":{"type":"text"}}}""",
        "steps[0].contract.schema/type",
        ""
    )]
    [InlineData(
        """{"type":"chat","messages":[{"role":"user","content":"x"}],"max_tool_calls":3}""",
        "steps[0].max_tool_calls",
        "without tools"
    )]
    [InlineData("""{"type":"chat","messages":[{"role":"user","content":"x"}],"tools":["a b"]}""", "steps[0].tools[0]", "a b")]
    [InlineData("""{"type":"event","contract":{"schema":{"type":"text"}}}""", "steps[0].contract.schema/type", "")]
    [InlineData("""{"type":"event","contract":{"schema":{},"on_violation":"review"}}""", "steps[0].contract.on_violation", "is refused")]
    [InlineData("""{"type":"event","contract":{"rules":[{"rule":"cited","path":"/a"}]}}""", "steps[0].contract.rules", "a source")]
    [InlineData("""{"type":"timer","seconds":1,"contract":{"schema":{}}}""", "steps[0].contract", "is not for the type timer")]
    [InlineData("""{"type":"timer","seconds":1,"on_failure":"skip"}""", "steps[0].on_failure", "chat, tool, review and map")]
    [InlineData("""{"type":"tool","tool":"t","arguments":{"a":"{{steps.b}}"}}""", "steps[0]", "depends on b, which is no step")]
    [InlineData("""{"type":"review","question":"{{steps.b}}","value":1}""", "steps[0]", "depends on b, which is no step")]
    public async Task A_step_that_cannot_be_is_refused_by_name(string step, string field, string says)
    {
        using var refused = await Api.Http.PutAsync(
            Address(Name()),
            Json("{\"steps\":[" + step.Insert(1, "\"name\":\"a\",") + "]}"),
            TestRun.Cancel
        );

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(problem.Errors![field], error => error.Contains(says, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"kind":"client","effect":"external_wait","description":"d","parameters":{"type":"object"}}""")]
    [InlineData("""{"kind":"http","effect":"read","description":"d","parameters":{"type":"object"},"url":"https://example.com/t"}""")]
    public async Task A_tool_that_somebody_else_runs_is_called_by_a_job_alone(string definition)
    {
        var tool = $"t{Guid.CreateVersion7():N}";
        using var added = await Api.Http.PutAsync(new Uri($"/api/v1/tools/{tool}", UriKind.Relative), Json(definition), TestRun.Cancel);
        Assert.True(added.IsSuccessStatusCode, await added.Content.ReadAsStringAsync(TestRun.Cancel));
        var inline = $$"""{"steps":[{"name":"a","type":"tool","tool":"{{tool}}","inline":INLINE}]}""";

        using var refused = await Api.Http.PutAsync(
            Address(Name()),
            Json(inline.Replace("INLINE", "true", StringComparison.Ordinal)),
            TestRun.Cancel
        );
        await PutAsync(Name(), inline.Replace("INLINE", "false", StringComparison.Ordinal));

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(
            "Leave it out, and a job calls the tool.",
            Assert.Single(problem.Errors!["steps[0].inline"]),
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("""{"name":"paid","data":{"amount":"12"}}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"name":"paid"}""", HttpStatusCode.UnprocessableEntity)]
    // As it should be; nobody has begun to wait for it yet.
    [InlineData("""{"name":"paid","data":{"amount":12}}""", HttpStatusCode.Conflict)]
    public async Task An_event_has_to_be_what_its_step_takes(string body, HttpStatusCode status)
    {
        var name = Name();
        await PutAsync(
            name,
            """{"steps":[{"name":"paid","type":"event","contract":{"schema":{"type":"object","properties":{"amount":{"type":"number"}},"required":["amount"]}}}]}"""
        );
        var run = await RunIdAsync(name, "{}", null);

        using var posted = await Api.Http.PostAsync(new Uri($"/api/v1/jobs/{run}/events", UriKind.Relative), Json(body), TestRun.Cancel);

        Assert.True(posted.StatusCode == status, await posted.Content.ReadAsStringAsync(TestRun.Cancel));
        if (status == HttpStatusCode.UnprocessableEntity)
        {
            var problem = await ApiServer.ReadProblemAsync(posted);
            Assert.Contains("The data is not what the step paid takes", problem.Detail, StringComparison.Ordinal);
            Assert.StartsWith("data", Assert.Single(problem.Errors!).Key, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("""{"max_cost_usd":0}""", "limits.max_cost_usd")]
    [InlineData("""{"max_cost_usd":0.0000000001}""", "limits.max_cost_usd")]
    [InlineData("""{"max_tokens":0}""", "limits.max_tokens")]
    [InlineData("""{"max_tokens":1000000001}""", "limits.max_tokens")]
    public async Task Limits_that_cannot_be_are_refused_of_workflows_and_of_runs(string limits, string field)
    {
        var name = Name();
        await PutAsync(name, Clock);

        using var put = await Api.Http.PutAsync(Address(name), Json(Clock.Insert(1, $"\"limits\":{limits},")), TestRun.Cancel);
        using var run = await PostAsync($"{name}/runs", $$"""{"limits":{{limits}} }""");

        Assert.Contains(field, (await ApiServer.ReadProblemAsync(put)).Errors!.Keys);
        Assert.Contains(field, (await ApiServer.ReadProblemAsync(run)).Errors!.Keys);
    }

    [Fact]
    public async Task A_run_has_the_tools_of_its_beginning_and_the_lower_limits()
    {
        var (name, tool) = (Name(), $"t{Guid.CreateVersion7():N}");
        var definition = Clock.Replace("current_time", tool, StringComparison.Ordinal);
        await PutAsync(name, definition.Insert(1, "\"limits\":{\"max_cost_usd\":2,\"max_tokens\":100},"));
        using var none = await PostAsync($"{name}/runs", "{}");
        Assert.Equal(HttpStatusCode.BadRequest, none.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(none);
        Assert.Contains($"steps names \"{tool}\"", problem.Detail, StringComparison.Ordinal);

        using var added = await Api.Http.PutAsync(
            new Uri($"/api/v1/tools/{tool}", UriKind.Relative),
            Json("""{"kind":"client","effect":"external_wait","description":"d","parameters":{"type":"object"}}"""),
            TestRun.Cancel
        );
        Assert.True(added.IsSuccessStatusCode, await added.Content.ReadAsStringAsync(TestRun.Cancel));
        var run = await RunIdAsync(name, """{"limits":{"max_cost_usd":3,"max_tokens":50}}""", "k");
        using var other = await PostAsync($"{name}/runs", """{"limits":{"max_cost_usd":3,"max_tokens":51}}""", "k");

        var input = RunInput.Read(await TextAsync($"SELECT input FROM job_payloads WHERE job_id = '{run}'"));
        Assert.Equal((tool, 1), (input.Tools!.Single().Name, input.Tools!.Single().Version));
        Assert.Equal((2m, 50L), (input.Limits!.MaxCostUsd, input.Limits.MaxTokens));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
    }

    [Fact]
    public async Task A_step_s_review_cannot_be_sent_back_and_its_json_stays_json()
    {
        var job = await Api.SubmitAsync(
            ApiServer.Chat.Replace("\"chat\"", "\"chat\",\"contract\":{\"schema\":{}}", StringComparison.Ordinal)
        );
        var worker = await Api.WorkerAsync();
        using var running = await worker.ClaimAsync(job.Id);
        var question = JsonSerializer.Serialize(new ReviewQuestion(ReviewReasons.Step) { Text = "Well?" }, WireJson.Default.ReviewQuestion);
        Assert.True(await running.EndAsync(AiBackend.Core.Jobs.AttemptEnd.AskedForReview(new(question), """{"a":1}""")));
        var review = await OpenReview.GetAsync(Api.Http, $"{job.Id}-1");
        Assert.Equal(("step", "Well?"), (review.Reason, review.Question!.Text));

        using var back = await DecideAsync(review, "reject", """{"version":VERSION,"continue":true}""");
        using var prose = await DecideAsync(review, "approve", """{"version":VERSION,"text":"fine"}""");
        using var fine = await DecideAsync(review, "approve", """{"version":VERSION,"text":"{\"a\":2}"}""");

        Assert.Contains("continue", (await ApiServer.ReadProblemAsync(back)).Errors!.Keys);
        Assert.Equal("contract-violated", (await ApiServer.ReadProblemAsync(prose)).Type.Split('/')[^1]);
        Assert.Equal(HttpStatusCode.OK, fine.StatusCode);
    }

    private Task<HttpResponseMessage> DecideAsync(Review review, string how, string body) =>
        Api.Http.PostAsync(
            new Uri($"/api/v1/reviews/{review.Id}/{how}", UriKind.Relative),
            Json(body.Replace("VERSION", $"{review.Version}", StringComparison.Ordinal)),
            TestRun.Cancel
        );

    private async Task<string> TextAsync(string sql)
    {
        await using var command = Api.Db.Source.CreateCommand(sql);
        return (string)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
