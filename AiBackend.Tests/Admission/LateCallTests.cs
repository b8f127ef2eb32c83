using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Money;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Admission;

/// <summary>A call is counted in the part of its provider's window in which it is sent, also by a process that takes its time between the two.</summary>
public sealed class LateCallTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const int Limit = 5;

    /// <summary>Of the prompt, and what may be written.</summary>
    private const int TokensOfOne = 10 + 50;

    private static readonly TimeSpan Slot = TimeSpan.FromSeconds(0.5);

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(4);

    private readonly RedisServer _redis = redis;
    private readonly FakeTime _clock = new();

    [Fact]
    public async Task A_call_that_is_sent_a_slot_late_is_counted_once_and_now_and_paid_for_once()
    {
        await using var ledger = Core.NewLedger(_clock);
        using var prices = Prices();
        var job = await Core.SpenderAsync();
        var permit = await EnterAsync(Core.NewGate(ledger, prices, _clock), job, new() { TokensPerMinute = 10_000 });
        await Eventually.TrueAsync(
            async _ =>
                await Core.ScalarAsync<bool>(
                    "SELECT extract(epoch FROM clock_timestamp()) * 1000 >= (slot + 1) * slot_ms FROM call_windows"
                ),
            "the next slot has begun"
        );

        Assert.False(permit.IsLate);
        _clock.Advance(Slot);
        Assert.False(permit.IsLate);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(permit.IsLate);
        var renewed = Assert.IsType<CallEntry.Admitted>(await permit.RenewAsync(TestRun.Cancel)).Permit;

        Assert.False(renewed.IsLate);
        Assert.Equal(TokensOfOne, await TokensAsync("slot % 122 + 1"));
        Assert.Equal(TokensOfOne, await TokensAsync(null));
        Assert.Equal(1, await RequestsAsync());
        renewed.Settle(new JobUsage(4, 0, 6, null), isFree: false, isDisputed: false);
        await Eventually.TrueAsync(async _ => await TokensAsync(null) == 10, "what it used is in place of what was reserved");
        await Eventually.TrueAsync(
            async _ => (await Core.CallsAsync(job.Lease.JobId)).Select(call => call.State).SequenceEqual([CallState.Settled]),
            "it is paid for, once"
        );
    }

    [Fact]
    public async Task A_late_call_for_which_there_is_no_room_any_more_is_not_made_and_gives_everything_back()
    {
        await using var ledger = Core.NewLedger(_clock);
        using var prices = Prices();
        var gate = Core.NewGate(ledger, prices, _clock);
        var limits = new ProviderLimits { TokensPerMinute = TokensOfOne };
        var budget = await Core.BudgetAsync(1m);
        var job = await Core.SpenderAsync();
        var permit = await EnterAsync(gate, job, limits);
        Assert.NotEqual(0m, (await Core.ReadAsync(budget)).ReservedUsd);
        _clock.Advance(Slot * 2);
        // What came between.
        await Core.ExecuteAsync("UPDATE call_windows SET input_tokens[slot % 122 + 1] = input_tokens[slot % 122 + 1] + 100", Guid.Empty);

        var full = Assert.IsType<CallEntry.Full>(await permit.RenewAsync(TestRun.Cancel));

        Assert.Equal("tokens_per_minute", full.Limit);
        await Core.UntilAsync(budget, 0m, 0m);
        Assert.Equal(100, await TokensAsync(null));
        Assert.Equal(0, await RequestsAsync());
        Assert.Equal([(CallState.Released, 0m)], await Core.CallsAsync(job.Lease.JobId));
    }

    [Fact]
    public async Task A_process_that_is_late_again_and_again_gives_the_call_up()
    {
        await using var ledger = Core.NewLedger(_clock);
        using var prices = Prices();
        var permit = await EnterAsync(Core.NewGate(ledger, prices, _clock), await Core.SpenderAsync(), new() { RequestsPerMinute = 100 });
        for (var times = 0; times < 3; times++)
        {
            _clock.Advance(Slot * 2);
            permit = Assert.IsType<CallEntry.Admitted>(await permit.RenewAsync(TestRun.Cancel)).Permit;
        }

        _clock.Advance(Slot * 2);
        Assert.Equal(new CallEntry.Full("requests_per_minute", Slot), await permit.RenewAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task A_worker_that_stands_still_between_count_and_call_never_sends_its_provider_more_than_it_allows_in_a_window()
    {
        var folder = TestFolder.Create("late");
        var evidence = Path.Combine(folder, "evidence");
        var model = await simulator.ModelAsync(new { words = 2 });
        using var worker = await WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            ("AIBACKEND_PROVIDERS__0__REQUESTS_PER_MINUTE", $"{Limit}"),
            ("Admission__Window", Window.ToString()),
            ("AIBACKEND_FAULT", $"K8[{model}]:stall={Window.TotalSeconds * 3 / 4}s"),
            ("AIBACKEND_FAULT_EVIDENCE", evidence)
        );
        var late = await Core.SubmitAsync();
        await Eventually.TrueAsync(() => File.Exists(evidence), "its call is counted and stands still", TimeSpan.FromSeconds(30));
        // As many as may be sent besides, and as many again when the first ones are out of the window.
        for (var i = 1; i < 2 * Limit; i++)
        {
            await Core.SubmitAsync();
        }

        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 6") == 2 * Limit,
            "all are done",
            TimeSpan.FromSeconds(60)
        );

        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        var times = calls.Select(call => call.GetProperty("received_at").GetDateTimeOffset()).Order().ToList();
        Assert.Equal(2 * Limit, times.Count);
        // A window less what a call may take from the last look at the clock to its provider, on a machine that has more to do. Sent as it was counted,
        // the late one would come a quarter of a window before the next five.
        var most = Window / 2;
        Assert.All(times, from => Assert.InRange(times.Count(at => at >= from && at < from + most), 1, Limit));
        // It has cost the job nothing but time.
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT attempt - excused FROM jobs WHERE id = @id", late));
        TestFolder.Remove(folder);
    }

    private static async Task<ICallPermit> EnterAsync(CallGate gate, ClaimedJob job, ProviderLimits limits) =>
        Assert
            .IsType<CallEntry.Admitted>(
                await gate.EnterAsync(
                    Spending.Deployment with
                    {
                        Limits = limits,
                    },
                    new CallSize(40, 50),
                    Spending.Call(job, 0).Caller,
                    TestRun.Cancel
                )
            )
            .Permit;

    private Task<long> RequestsAsync() =>
        Core.ScalarAsync<long>("SELECT sum(n)::bigint FROM call_windows w CROSS JOIN LATERAL unnest(w.requests) n");

    /// <summary>What is counted, in one slot or in all.</summary>
    private Task<int> TokensAsync(string? slot) =>
        Core.ScalarAsync<int>(
            slot is null
                ? "SELECT sum(i + o) FROM call_windows w CROSS JOIN LATERAL unnest(w.input_tokens, w.output_tokens) AS t (i, o)"
                : $"SELECT input_tokens[{slot}] + output_tokens[{slot}] FROM call_windows"
        );

    private PriceBook Prices() =>
        new(
            new PriceStore(Core.Database),
            Core.Get<IStorageWatch>(),
            Options.Create(
                new PriceOptions
                {
                    Prices =
                    [
                        new()
                        {
                            Provider = "p0",
                            Model = "m",
                            Input = 1,
                            Output = 1,
                        },
                    ],
                }
            ),
            TimeProvider.System
        );
}
