using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Workflows;

/// <summary>Runs that go on from earlier ones, over the API.</summary>
public sealed class RerunApiTests(ApiServer api) : WorkflowCalls(api)
{
    [Fact]
    public async Task A_rerun_has_the_version_and_input_of_the_earlier_run_and_a_repeat_of_it_is_the_same()
    {
        var name = Name();
        await PutAsync(name, Echo);
        var first = await RunIdAsync(name, """{"input":{"a":1}}""", "first");
        var again = $$"""{"rerun":{"run":"{{first}}","from":"out"} }""";
        using var early = await PostAsync($"{name}/runs", again);
        await CancelAsync(first);
        await PutAsync(name, """{"steps":[{"name":"other","type":"transform","value":1}]}""");

        var rerun = await RunIdAsync(name, again, "again");
        await CancelAsync(rerun);
        var repeat = await RunIdAsync(name, again, "again");
        using var another = await PostAsync($"{name}/runs", again.Replace("out", "other", StringComparison.Ordinal), "again");

        Assert.Equal(HttpStatusCode.BadRequest, early.StatusCode);
        Assert.Contains("has not ended", (await ApiServer.ReadProblemAsync(early)).Detail, StringComparison.Ordinal);
        Assert.Equal((rerun, HttpStatusCode.UnprocessableEntity), (repeat, another.StatusCode));
        var job = JsonSerializer.Deserialize(
            await Api.Http.GetStringAsync(new Uri($"/api/v1/jobs/{rerun}", UriKind.Relative), TestRun.Cancel),
            WireJson.Default.Job
        )!;
        Assert.Equal(($"{name} v1", (Guid?)first), (job.Title, job.ReplayOf));
    }

    [Theory]
    [InlineData("""{"from":"out"}""", "rerun.run", "is missing")]
    [InlineData("""{"run":"FIRST"}""", "rerun.from", "is missing")]
    [InlineData("""{"run":"FIRST","from":"outs"}""", "rerun.from", "the steps are in, out.")]
    [InlineData("""{"run":"018f0000-0000-7000-8000-000000000000","from":"out"}""", "rerun.run", "has no such run")]
    [InlineData("""{"run":"FIRST","from":"in","outputs":{"out":1}}""", "rerun.outputs.out", "done again")]
    [InlineData("""{"run":"FIRST","from":"out","outputs":{"no":1}}""", "rerun.outputs.no", "names no step")]
    [InlineData("""{"run":"FIRST","from":"out","outputs":{"in":"\u0000"}}""", "rerun.outputs.in", "U+0000")]
    public async Task A_rerun_that_cannot_be_is_refused_and_says_why(string rerun, string field, string says)
    {
        var name = Name();
        await PutAsync(
            name,
            """{"steps":[{"name":"in","type":"transform","value":1},{"name":"out","type":"transform","value":"{{steps.in}}"}]}"""
        );
        var first = await RunIdAsync(name, "{}", "first");
        await CancelAsync(first);

        using var refused = await PostAsync(
            $"{name}/runs",
            $$"""{"rerun":{{rerun.Replace("FIRST", first.ToString(), StringComparison.Ordinal)}} }"""
        );

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(says, problem.Errors![field].Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_goes_on_from_a_run_of_another_workflow_or_tenant()
    {
        var (name, other) = (Name(), Name());
        await PutAsync(name, Echo);
        await PutAsync(other, Echo);
        var first = await RunIdAsync(name, """{"input":{"a":1}}""", "first");
        await CancelAsync(first);
        var rerun = $$"""{"rerun":{"run":"{{first}}","from":"out"} }""";
        var stranger = Api.Client(await Api.AddTenantAsync());

        using var ofOther = await PostAsync($"{other}/runs", rerun);
        using var foreign = await stranger.PostAsync(Address($"{name}/runs"), Json(rerun), TestRun.Cancel);

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest), (ofOther.StatusCode, foreign.StatusCode));
        Assert.Contains("has no such run", (await ApiServer.ReadProblemAsync(foreign)).Detail, StringComparison.Ordinal);
    }

    private async Task CancelAsync(Guid job)
    {
        using var cancelled = await Api.Http.PostAsync(new Uri($"/api/v1/jobs/{job}/cancel", UriKind.Relative), null, TestRun.Cancel);
        Assert.True(cancelled.IsSuccessStatusCode);
    }
}
