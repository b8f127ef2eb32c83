using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Contracts;
using AiBackend.Worker.Execution.Workflows;

namespace AiBackend.Tests.Workflows;

/// <summary>What a run may keep and ask, whoever wrote its templates and answered its steps.</summary>
public sealed class WorkflowRoomTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    [Fact]
    public void A_value_that_is_doubled_again_and_again_fails_the_step_that_makes_it_too_large()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();

        // 2^60 bytes, if nobody stopped it.
        var failure = Plan("\"{{input}}\"", (last, _) => $"\"{last}{last}\"", 60, Text(1000)).Failure!;

        Assert.Equal("s11", failure.Name);
        Assert.Contains("at most 1048576. Put less into it", failure.Error, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 64 << 20);
    }

    [Fact]
    public void The_same_in_a_list_of_many_values_and_in_text_of_many_bytes_a_character()
    {
        var list = Plan(
            $"[{string.Join(',', Enumerable.Repeat("\"{{input}}\"", 1000))}]",
            (last, _) => $"\"{last}\"",
            0,
            Text(2000)
        ).Failure;
        var wide = Plan(
            "\"{{input}}{{input}}{{input}}{{input}}\"",
            (last, _) => $"\"{last}\"",
            0,
            JsonSerializer.SerializeToElement(new string('\u65e5', 100_000))
        ).Failure;

        Assert.All([list, wide], failure => Assert.Contains("at most 1048576", failure?.Error, StringComparison.Ordinal));
    }

    [Fact]
    public void The_steps_of_a_run_give_only_so_much_together()
    {
        // Each may be, all together may not.
        var failure = Plan("\"{{input}}\"", (_, _) => "\"{{input}}\"", 40, Text(1_000_000)).Failure!;

        Assert.Equal("s16", failure.Name);
        Assert.Contains("at most 16777216 are kept", failure.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_is_wrapped_again_and_again_fails_its_step()
    {
        var failure = Plan("1", (last, _) => $"[[[[[[[[[[\"{last}\"]]]]]]]]]]", 10, null).Failure!;

        Assert.Equal(("s3", "It nests deeper than 24 levels. Flatten it."), (failure.Name, failure.Error));
    }

    [Theory]
    [InlineData("{{input}}{{input}}", "at most 1048576")]
    [InlineData("{{input.none}}", "messages[1] is empty")]
    public void A_step_that_would_ask_too_much_or_nothing_fails_and_has_no_job(string content, string error)
    {
        var definition = Definition(
            $$"""{"steps":[{"name":"a","type":"chat","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"{{content}}"}]}]}"""
        );

        var next = WorkflowPlan.Next(definition, Text(600_000), [], Nothing, Now, Guid.CreateVersion7, Contract.Checker);

        Assert.Contains(error, next.Failure?.Error, StringComparison.Ordinal);
        Assert.Null(next.Failure!.JobId);
    }

    [Theory]
    [InlineData("{\"a\":\"\\u0000\"}", "U+0000")]
    [InlineData("{\"a\":\"\\ud83d\"}", "half of a surrogate pair")]
    [InlineData("{\"\\ud83d\":1}", "half of a surrogate pair")]
    [InlineData("1e99999999999", "too large or too small")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]", "24 levels")]
    public void What_no_step_can_give_is_refused_as_the_step_s_failure(string answer, string error)
    {
        var ended = StepEnds.Of(Row(answer), new StepJobOutput(answer, [], new JobTerms { Contract = new() }), StepTypes.Chat, Now)!;

        Assert.Equal(StepStatus.Failed, ended.Status);
        Assert.Contains(error, ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_answer_that_is_too_large_fails_its_step_and_is_not_read()
    {
        var row = Row("") with { Size = StepValues.MaxBytes + 1 };

        var ended = StepEnds.Of(row, null, StepTypes.Chat, Now)!;

        Assert.Equal(StepStatus.Failed, ended.Status);
        Assert.Contains("1048577 bytes", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_contract_makes_the_answer_a_value_and_without_one_it_is_text()
    {
        var text = StepEnds.Of(Row("{}"), new StepJobOutput("{}", [], JobTerms.None), StepTypes.Chat, Now)!;
        var value = StepEnds.Of(Row("{}"), new StepJobOutput("{}", [], new JobTerms { Contract = new() }), StepTypes.Chat, Now)!;
        var passed = StepEnds.Of(Row("so"), new StepJobOutput("so", [], new JobTerms { Contract = new() }), StepTypes.Chat, Now)!;

        Assert.Equal(
            [JsonValueKind.String, JsonValueKind.Object, JsonValueKind.String],
            new[] { text, value, passed }.Select(state => state.Output!.Value.ValueKind)
        );
    }

    private static Dictionary<string, JsonElement> Nothing => [];

    private static RunStepRow Row(string answer) =>
        new(
            new StepState("a", null, StepStatus.Running) { JobId = Guid.CreateVersion7() },
            JobStatus.Completed,
            Encoding.UTF8.GetByteCount(answer),
            null
        );

    private static JsonElement Text(int length) => JsonSerializer.SerializeToElement(new string('x', length));

    /// <summary>A chain of transforms: the first, and each made of the one before.</summary>
    private static NextSteps Plan(string first, Func<string, int, string> next, int count, JsonElement? input)
    {
        var steps = Enumerable.Range(0, count + 1).Select(i => Transform(i, i == 0 ? first : next($$$"""{{steps.s{{{i - 1}}}}}""", i)));
        return WorkflowPlan.Next(
            Definition($$"""{"steps":[{{string.Join(',', steps)}}]}"""),
            input,
            [],
            Nothing,
            Now,
            Guid.CreateVersion7,
            Contract.Checker
        );
    }

    private static string Transform(int index, string value) => $$"""{"name":"s{{index}}","type":"transform","value":{{value}}}""";

    private static WorkflowDefinition Definition(string json) => JsonSerializer.Deserialize(json, WireJson.Default.WorkflowDefinition)!;
}
