using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Api;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary><c>POST /api/v1/jobs/{id}/replay</c> of a run, from one of its steps.</summary>
public sealed class ReplayedRunTests(ApiServer api, PostgresServer postgres, SimulatorServer simulator)
    : WorkflowCalls(api),
        IClassFixture<SimulatorServer>
{
    private const string TwoSteps = """
        {"input":{"type":"object","required":["a"]},
         "steps":[{"name":"ask","type":"chat","messages":[{"role":"user","content":"Hi"}]},
                  {"name":"out","type":"transform","value":"{{input.a}} after {{steps.ask}}"}]}
        """;

    [Fact]
    public async Task U_46_a_run_goes_on_from_the_step_with_another_input_and_what_came_before_is_not_done_again()
    {
        await using var stack = await WorkersBehindApi.StartAsync(
            postgres,
            simulator.Address,
            [await simulator.ModelAsync(new { text = "word", words = (int?)null })],
            workers: 1
        );
        using var put = await stack.Api.Http.PutAsync(Address("two"), Json(TwoSteps), TestRun.Cancel);
        using var begun = await stack.Api.Http.PostAsync(Address("two/runs"), Json("""{"input":{"a":1}}"""), TestRun.Cancel);
        var first = await EndAsync(stack.Api.Http, (await ApiServer.ReadJobAsync(begun)).Id);

        using var replayed = await stack.Api.Http.PostAsync(
            Replay(first.Id),
            Json("""{"from_step":"out","input":{"a":2}}"""),
            TestRun.Cancel
        );
        var again = await EndAsync(stack.Api.Http, (await ApiServer.ReadJobAsync(replayed)).Id);

        Assert.Equal(("1 after word", "2 after word"), (first.Output!.Text, again.Output!.Text));
        Assert.Equal(((Guid?)first.Id, "two v1"), (again.ReplayOf, again.Title));
        Assert.Equal(1, await stack.CountAsync("type = 1"));
        Assert.Equal(await AskedAsync(stack.Api.Http, first.Id), await AskedAsync(stack.Api.Http, again.Id));
    }

    [Fact]
    public async Task U_44_a_failed_run_is_replayed_once_from_whatever_step()
    {
        var run = await EndedAsync(AttemptEnd.FailedForGood(Dying.Timeout));

        using var one = await Api.Http.PostAsync(Replay(run), Json("""{"from_step":"out","input":{"a":2}}"""), TestRun.Cancel);
        using var two = await Api.Http.PostAsync(Replay(run), Json("""{"from_step":"ask"}"""), TestRun.Cancel);

        var job = await ApiServer.ReadJobAsync(one);
        Assert.Equal((job.Id, true), ((await ApiServer.ReadJobAsync(two)).Id, two.Headers.Contains("Idempotent-Replayed")));
        var input = await InputAsync(job.Id);
        Assert.Equal((run, "2"), (input.TakenOver!.Run, input.Input!.Value.GetProperty("a").GetRawText()));
    }

    [Fact]
    public async Task A_repeat_with_the_same_key_is_the_same_replay_and_another_step_under_it_is_refused()
    {
        var run = await EndedAsync(AttemptEnd.Cancelled(null));

        using var one = await SendAsync(run, """{"from_step":"out"}""");
        using var two = await SendAsync(run, """{"from_step":"out"}""");
        using var other = await SendAsync(run, """{"from_step":"ask"}""");

        Assert.Equal((await ApiServer.ReadJobAsync(one)).Id, (await ApiServer.ReadJobAsync(two)).Id);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
    }

    [Theory]
    [InlineData("""{"from_step":"none"}""", "from_step", "the steps are ask, out.")]
    [InlineData("""{"from_step":"out","input":{"b":1}}""", "input/a", "")]
    [InlineData("""{"from_step":"out","model":"sim"}""", "model", "is given with from_step")]
    [InlineData("""{"from_step":"out","prompt":{"name":"p"}}""", "prompt", "is for jobs of the type chat")]
    [InlineData("""{"input":{"a":2}}""", "input", "without from_step")]
    public async Task A_replay_that_cannot_be_is_refused_by_name(string body, string field, string says)
    {
        var run = await EndedAsync(AttemptEnd.Cancelled(null));

        using var refused = await Api.Http.PostAsync(Replay(run), Json(body), TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        var errors = problem
            .Errors!.Where(error => error.Key.StartsWith(field, StringComparison.Ordinal))
            .SelectMany(error => error.Value)
            .ToList();
        Assert.NotEmpty(errors);
        Assert.Contains(says, string.Join(' ', errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_may_not_ask_the_models_of_its_steps_replays_no_run()
    {
        var run = await EndedAsync(
            AttemptEnd.Cancelled(null),
            """
            {"steps":[{"name":"ask","type":"chat","messages":[{"role":"user","content":"Hi"}]},
                      {"name":"out","type":"chat","model":"sim","messages":[{"role":"user","content":"{{steps.ask}}"}]}]}
            """
        );
        var key = await Api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        var core = await Api.WorkerAsync();
        await core.ExecuteAsync(
            // The first step's model, which the run itself is stored with, is not what refuses it.
            $"UPDATE api_keys SET allowed_models = '{{default}}' WHERE key_id = '{ApiKey.TryParse(key)!.Id}'",
            Guid.Empty
        );
        using var bound = Api.Client(key);

        using var refused = await bound.PostAsync(Replay(run), Json("""{"from_step":"out"}"""), TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal("model-not-allowed", problem.Type.Split('/')[^1]);
        Assert.Contains("sim", problem.Detail, StringComparison.Ordinal);
    }

    private static Uri Replay(Guid run) => new($"/api/v1/jobs/{run}/replay", UriKind.Relative);

    private async Task<Guid> EndedAsync(AttemptEnd end, string definition = TwoSteps)
    {
        var name = Name();
        await PutAsync(name, definition);
        var run = await RunIdAsync(name, """{"input":{"a":1}}""", null);
        await (await Api.WorkerAsync()).EndAsync(run, end);
        return run;
    }

    private async Task<HttpResponseMessage> SendAsync(Guid run, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Replay(run)) { Content = Json(body) };
        request.Headers.Add("Idempotency-Key", $"replay-{run}");
        return await Api.Http.SendAsync(request, TestRun.Cancel);
    }

    private async Task<RunInput> InputAsync(Guid run) =>
        RunInput.Read(await (await Api.WorkerAsync()).ScalarAsync<string>("SELECT input FROM job_payloads WHERE job_id = @id", run));

    private static async Task<Job> EndAsync(HttpClient http, Guid run)
    {
        using var ended = await http.GetAsync(new Uri($"/api/v1/jobs/{run}?wait=60", UriKind.Relative), TestRun.Cancel);
        return await ApiServer.ReadJobAsync(ended);
    }

    /// <summary>The job that asked the model for a run.</summary>
    private static async Task<Guid?> AskedAsync(HttpClient http, Guid run) =>
        JsonSerializer
            .Deserialize(
                await http.GetStringAsync(new Uri($"/api/v1/jobs/{run}/steps", UriKind.Relative), TestRun.Cancel),
                WireJson.Default.RunSteps
            )!
            .Data.Single(step => step.Name == "ask")
            .JobId;
}
