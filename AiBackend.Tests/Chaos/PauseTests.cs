using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>Processes that are frozen for a while and go on as if nothing had been.</summary>
[Collection(StackCollection.Name)]
[Trait("Category", "Long")]
public sealed class PauseTests(StackFixture fixture) : IDisposable
{
    // Shorter than what a worker trusts its lease for, longer than two renewals.
    private static readonly TimeSpan BelowLease = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    private readonly Stack _stack = fixture.Stack;
    private readonly FaultInjection _faults = new(fixture.Stack);

    [Fact]
    public async Task F_6_a_worker_frozen_for_less_than_its_lease_finishes_what_it_began()
    {
        var client = new JobClient(_stack);
        var model = await client.TeachWordsAsync(words: 60, intervalMs: 20);
        await _faults.ArmAsync("worker", $"K10[{model}]:stop@10");
        _stack.FreezeWorker(replica: 1);
        var id = await client.SubmitAsync(model);
        var following = client.FollowAsync(id);
        await _faults.ReachedAsync("K10");
        _stack.ThawWorker(replica: 1);

        await Task.Delay(BelowLease, TestRun.Cancel);
        _stack.ThawWorker(replica: 0);

        var reading = await following;
        Assert.Equal((JobStatuses.Completed, JobClient.Words(60), 0), (reading.Final!.Status, reading.Text, reading.Resets));
        Assert.Equal(["succeeded"], (await client.TraceAsync(id)).Attempts.Select(attempt => attempt.Outcome));
    }

    [Fact]
    public async Task F_8_readers_of_an_Api_frozen_for_20_s_miss_nothing_and_get_nothing_twice()
    {
        await using var run = await ChaosRun.StartAsync(_stack);
        await run.UntilMoreEndedAsync(20);

        _stack.Processes.Freeze("api");
        await Task.Delay(Long, TestRun.Cancel);
        _stack.Processes.Thaw("api");

        await run.UntilMoreEndedAsync(20);
        await run.AssertNothingIsViolatedAsync(await run.EndAsync(TimeSpan.FromMinutes(3)), ("Api frozen, s", "20"));
    }

    public void Dispose() => _faults.Dispose();
}
