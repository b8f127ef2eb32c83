using System.Net;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Workflows;

/// <summary>What steps take of each other is held against what they declare, when the workflow is made.</summary>
public sealed class StepPathTests(ApiServer api) : WorkflowCalls(api)
{
    private const string Read =
        """{"name":"read","type":"chat","messages":[{"role":"user","content":"x"}],"contract":{"schema":{"type":"object","additionalProperties":false,"properties":{"total":{"type":"number"},"lines":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"text":{"type":"string"}}}}}}}}""";

    private const string Input =
        """{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string"},"all":{"type":"array","items":{"type":"string"}}}}""";

    [Theory]
    [InlineData(
        """{"name":"b","type":"transform","value":"{{steps.read.totl}}"}""",
        "steps[1]",
        "{{steps.read.totl}}, which the step read cannot have: by its schema steps.read offers lines, total."
    )]
    [InlineData(
        """{"name":"b","type":"transform","value":[{"x":"sum {{steps.read.total.eur}}"}]}""",
        "steps[1]",
        "steps.read.total is number"
    )]
    [InlineData(
        """{"name":"b","type":"transform","value":1,"when":{"value":"{{steps.read.lines.0.txt}}","equal":1}}""",
        "steps[1]",
        "steps.read.lines.0 offers text"
    )]
    [InlineData(
        """{"name":"b","type":"tool","tool":"current_time","arguments":{"time_zone":"{{input.b}}"}}""",
        "steps[1]",
        "which the workflow's input cannot have: by its schema input offers a, all."
    )]
    [InlineData(
        """{"name":"b","type":"map","over":"{{input.a}}","step":{"type":"tool","tool":"current_time"}}""",
        "steps[1].over",
        "{{input.a}} as a list, which the workflow's input cannot have: by its schema input.a is string."
    )]
    [InlineData(
        """{"name":"b","type":"map","over":"{{steps.read.lines}}","step":{"type":"review","question":"{{item.txt}}?","value":1}}""",
        "steps[1]",
        "{{item.txt}}, which the step read cannot have: by its schema steps.read.lines.* offers text."
    )]
    [InlineData("""{"name":"b","type":"review","question":"{{steps.m.0.y}}?","value":1}""", "steps[1]", "steps.m.0 offers x")]
    [InlineData(
        """{"name":"b","type":"review","question":"{{steps.m.x}}?","value":1}""",
        "steps[1]",
        "steps.m is a list, of which a number names an item"
    )]
    public async Task A_path_that_a_schema_cannot_have_is_refused_with_what_there_is(string step, string field, string says)
    {
        using var refused = await PutStepAsync(step);

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(problem.Errors![field], error => error.Contains(says, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"name":"b","type":"transform","value":"{{steps.read.lines.0.text}} {{input.all.3}} {{steps.m.1.x}}"}""")]
    [InlineData(
        """{"name":"b","type":"map","over":"{{steps.read.lines}}","step":{"type":"review","question":"{{item.text}} {{index}}","value":1}}"""
    )]
    // Nothing is declared of these.
    [InlineData("""{"name":"b","type":"transform","value":"{{steps.free.any.thing}} {{steps.free.0}}"}""")]
    [InlineData("""{"name":"b","type":"map","over":"{{steps.free}}","step":{"type":"review","question":"{{item.x.y}}","value":1}}""")]
    public async Task A_path_that_may_be_there_is_taken(string step)
    {
        using var taken = await PutStepAsync(step);

        Assert.True(taken.IsSuccessStatusCode, await taken.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task The_output_is_held_against_schemas_too_and_bad_contracts_are_refused_by_name()
    {
        using var output = await PutStepAsync("""{"name":"b","type":"timer","seconds":1}""", ",\"output\":{\"t\":\"{{steps.read.sum}}\"}");
        using var whole = await PutStepAsync(
            """{"name":"b","type":"timer","seconds":1}""",
            ",\"contract\":{\"schema\":{\"type\":\"text\"}}"
        );
        using var member = await PutStepAsync(
            """{"name":"b","type":"map","over":"{{input.all}}","step":{"type":"tool","tool":"current_time"},"contract":{"schema":{"properties":{"api_key":{}}}}}"""
        );
        using var policy = await PutStepAsync(
            """{"name":"b","type":"transform","value":1,"contract":{"schema":{},"on_violation":"repair"}}"""
        );

        Assert.Contains(
            "steps.read offers lines, total",
            (await ApiServer.ReadProblemAsync(output)).Errors!["output"][0],
            StringComparison.Ordinal
        );
        Assert.True((await ApiServer.ReadProblemAsync(whole)).Errors!.ContainsKey("contract.schema/type"));
        Assert.Contains("contract.schema.properties.api_key", (await ApiServer.ReadProblemAsync(member)).Detail, StringComparison.Ordinal);
        Assert.True((await ApiServer.ReadProblemAsync(policy)).Errors!.ContainsKey("steps[1].contract.on_violation"));
    }

    [Fact]
    public async Task A_value_in_place_of_what_a_step_gave_keeps_that_step_s_contract()
    {
        var name = Name();
        await PutAsync(
            name,
            """{"steps":[{"name":"one","type":"transform","value":1,"contract":{"schema":{"type":"integer"}}},{"name":"two","type":"timer","seconds":0,"after":["one"]}]}"""
        );
        var run = await RunIdAsync(name, "{}", null);
        using var cancelled = await Api.Http.PostAsync(new Uri($"/api/v1/jobs/{run}/cancel", UriKind.Relative), null, TestRun.Cancel);
        Assert.True(cancelled.IsSuccessStatusCode, await cancelled.Content.ReadAsStringAsync(TestRun.Cancel));

        using var wrong = await PostAsync($"{name}/runs", RerunOf(run, "\"x\""));
        using var right = await PostAsync($"{name}/runs", RerunOf(run, "2"));

        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Contains(
            "breaks the step's contract",
            (await ApiServer.ReadProblemAsync(wrong)).Errors!["rerun.outputs.one"][0],
            StringComparison.Ordinal
        );
        Assert.True(right.IsSuccessStatusCode, await right.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private static string RerunOf(Guid run, string value) =>
        $$$$"""{"rerun":{"run":"{{{{run}}}}","from":"two","outputs":{"one":{{{{value}}}}}}}""";

    private Task<HttpResponseMessage> PutStepAsync(string step, string members = "") =>
        Api.Http.PutAsync(
            Address(Name()),
            Json(
                $$$$"""
                {"input":{{{{Input}}}},"steps":[{{{{Read}}}},{{{{step}}}},{"name":"free","type":"event"},
                  {"name":"m","type":"map","over":"{{input.all}}","step":{"type":"chat","messages":[{"role":"user","content":"x"}],
                    "contract":{"schema":{"type":"object","additionalProperties":false,"properties":{"x":{} } } } } }]{{{{members}}}}}
                """
            ),
            TestRun.Cancel
        );
}
