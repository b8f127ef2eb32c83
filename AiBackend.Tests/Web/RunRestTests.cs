using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Api;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Web;

/// <summary>What stands beside a run's log, steps, calls of tools and the trace, is all there when the run has ended, however news and looks meet.</summary>
public sealed class RunRestTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private ScriptedApi _api = null!;
    private IHost _host = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await ScriptedApi.StartAsync();
        _api.Job = _api.Job with { Type = "workflow" };
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["services:api:http:0"] = _api.Address.ToString();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.AddApiClient();
        builder.AddRuns();
        _host = builder.Build();
    }

    public async ValueTask DisposeAsync()
    {
        _host.Dispose();
        await _api.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Steps_that_came_with_the_end_are_shown_whether_the_end_was_streamed_or_in_the_log_already(bool wasInTheLog)
    {
        _api.Steps = asked => Task.FromResult(asked == 0 ? new RunSteps([], null) : Done);
        _api.Finish("");
        _api.Known = wasInTheLog ? 1 : 0;

        using var lease = Join();
        var run = await ShowsAsync(lease, run => run.Link.State is RunLinkState.Complete);

        Assert.Equal("done", Assert.Single(run.Steps.Data).Name);
    }

    [Fact]
    public async Task What_cannot_be_read_when_the_run_ends_is_read_later()
    {
        _api.RefusedLooks = 2;
        _api.Steps = asked => Task.FromResult(asked == 0 ? new RunSteps([], null) : Done);
        _api.ToolCalls = _ => Call(ToolCallStates.Done);
        _api.Trace = new(_api.Job.Id, "trace", [], []);
        _api.Finish("");

        using var lease = Join();
        var run = await ShowsAsync(lease, run => run is { Trace: not null, Steps.Data.Count: 1, ToolCalls.Data.Count: 1 });

        Assert.Equal("trace", run.Trace!.TraceId);
    }

    [Fact]
    public async Task A_look_that_was_under_way_when_the_run_ended_hides_nothing_that_came_with_the_end()
    {
        using var begun = new SemaphoreSlim(0);
        using var again = new SemaphoreSlim(0);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _api.Steps = async asked =>
        {
            if (asked == 1)
            {
                begun.Release();
                await ended.Task.WaitAsync(TestRun.Cancel);
            }
            else if (asked == 2)
            {
                again.Release();
            }

            return asked <= 1 ? new([], null) : Done;
        };
        _api.Add(new StateEvent(JobStatuses.Retrying, 1, "steps"));
        _api.Finish("");
        _api.NextConnection(after => EndOnce(begun, after));

        using var lease = Join();
        await ShowsAsync(lease, run => run.HasEnded);
        var wasOvertaken = await again.WaitAsync(TimeSpan.FromSeconds(1), TestRun.Cancel);
        ended.SetResult();
        var run = await ShowsAsync(lease, run => run.Link.State is RunLinkState.Complete);

        Assert.False(wasOvertaken, "The answer to the earlier look might come last.");
        Assert.Single(run.Steps.Data);
    }

    [Fact]
    public async Task Calls_of_tools_of_a_run_that_was_stopped_before_anything_came_of_them_are_shown_to_whoever_comes_later()
    {
        _api.ToolCalls = _ => Call(ToolCallStates.AwaitingApproval);
        _api.Finish("");
        _api.Known = 1;

        using var lease = Join();
        var run = await ShowsAsync(lease, run => run.Link.State is RunLinkState.Complete);

        Assert.Equal("effect-1", Assert.Single(run.ToolCalls.Data).EffectId);
    }

    [Fact]
    public async Task A_call_is_shown_while_it_is_made_although_its_event_came_before_it_was_written_down()
    {
        using var shown = new SemaphoreSlim(0);
        _api.ToolCalls = asked => asked == 0 ? new([]) : Call(ToolCallStates.Sent);
        _api.Add(new StateEvent(JobStatuses.Processing, 1), new ToolCallEvent(1, ChatToolCall.Of("call-1", "pay", "{}")));
        _api.Finish("");
        _api.Known = 2;
        _api.NextConnection(after => EndOnce(shown, after));

        using var lease = Join();
        var run = await ShowsAsync(lease, run => run.HasEnded || run.ToolCalls.Data.Count > 0);
        shown.Release();

        Assert.Equal((false, ToolCallStates.Sent), (run.HasEnded, Assert.Single(run.ToolCalls.Data).State));
    }

    [Fact]
    public void A_run_that_went_through_other_states_and_back_in_a_moment_is_read_again()
    {
        var board = new RunBoard(_api.Job.Id, () => { });
        board.Apply(new(1, new StateEvent(JobStatuses.Processing, 1)));
        board.Note(known => known with { Job = _api.Job with { Status = JobStatuses.Processing, Attempt = 1 } });
        Assert.False(board.NeedsFacts);

        board.Apply(new(2, new StateEvent(JobStatuses.Retrying, 1)));
        board.Apply(new(3, new StateEvent(JobStatuses.Processing, 2)));

        Assert.True(board.NeedsFacts);
    }

    private static JobToolCalls Call(string state) => new([new(1, "call-1", "pay", 1, ToolEffects.Write, "{}", "effect-1", state)]);

    private static RunSteps Done =>
        new(
            [
                new()
                {
                    Name = "done",
                    Status = RunStepStatuses.Succeeded,
                    StartedAt = Jobs.CreatedAt,
                    EndedAt = Jobs.CreatedAt,
                },
            ],
            null
        );

    /// <summary>What comes before the last event, and that once something has happened.</summary>
    private IEnumerable<int> EndOnce(SemaphoreSlim happened, int after)
    {
        for (var seq = after + 1; seq < _api.Log.Count; seq++)
        {
            yield return seq;
        }

        Assert.True(happened.Wait(Patience, TestRun.Cancel));
        yield return _api.Log.Count;
    }

    private RunLease Join() => _host.Services.GetRequiredService<RunFeeds>().Join(_api.Job.Id);

    private static async Task<RunView> ShowsAsync(RunLease lease, Func<RunView, bool> wanted)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(Patience);
        await foreach (var run in lease.Feed.WatchAsync(patience.Token))
        {
            if (wanted(run))
            {
                return run;
            }
        }

        throw new InvalidOperationException("The feed ended.");
    }
}
