using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.Fixtures;
using Signal = AiBackend.LocalHost.Supervision.Signal;

namespace AiBackend.Tests.LocalHost;

/// <summary>The end of a watched process.</summary>
public sealed class HealthWatchTests
{
    [Fact]
    public async Task A_probe_that_breaks_because_its_process_ends_is_the_end_of_the_watch_and_no_error()
    {
        var recipe = new BreakingRecipe();
        var watch = new HealthWatch(recipe, new SupervisionContext(null!, null!, null!, TimeProvider.System));
        using var over = new CancellationTokenSource();

        // Were it an error, the replica would count as one that cannot be started, and never be started again.
        var watching = watch.WatchAsync("api", _ => { }, over.Token);
        await recipe.Probed.Task.WaitAsync(TestRun.Cancel);
        await over.CancelAsync();
        recipe.Break.SetResult();

        await watching.WaitAsync(TestRun.Cancel);
    }

    /// <summary>Answers with a broken connection, whatever it was told meanwhile, as a socket does.</summary>
    private sealed class BreakingRecipe : IProcessRecipe
    {
        public TaskCompletionSource Probed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Break { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool HasHealthCheck => true;

        public Signal StopSignal => Signal.Terminate;

        public TimeSpan StopGrace => TimeSpan.Zero;

        public IReadOnlyList<string> Children => [];

        public Task PrepareAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<ProcessSpec> DescribeAsync(string replicaId, CancellationToken cancellationToken) => throw new NotSupportedException();

        public async Task<bool> IsHealthyAsync(CancellationToken cancellationToken)
        {
            Probed.TrySetResult();
            await Break.Task.WaitAsync(CancellationToken.None);
            throw new HttpRequestException("The connection was closed.");
        }

        public Task BecameHealthyAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
