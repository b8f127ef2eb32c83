using AiBackend.Core.Admission;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Queue.Limits;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Tests.Admission;

/// <summary>The counters that all workers share: never more than a limit, whoever asks.</summary>
public sealed partial class CallWindowTests(PostgresServer postgres, RedisServer redis)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task Who_is_told_to_come_back_comes_before_those_who_ask_in_between_and_the_urgent_do_not_wait_for_the_patient()
    {
        // A whole minute: the machine may stand still between two of these calls.
        var window = TimeSpan.FromMinutes(1);
        await using var windows = NewWindows(window);
        var limits = new ProviderLimits { RequestsPerMinute = 2 };
        Assert.NotNull((await windows.ReserveAsync(Ask(limits), TestRun.Cancel)).Slot);
        Assert.NotNull((await windows.ReserveAsync(Ask(limits), TestRun.Cancel)).Slot);

        var first = await windows.ReserveAsync(Ask(limits), TestRun.Cancel);
        var second = await windows.ReserveAsync(Ask(limits), TestRun.Cancel);
        var batch = await windows.ReserveAsync(Ask(limits, level: 2), TestRun.Cancel);
        var urgent = await windows.ReserveAsync(Ask(limits, level: 0), TestRun.Cancel);

        Assert.Equal("requests_per_minute", first.BlockedBy);
        Assert.InRange(first.Delay, window / 2, window * 1.1);
        // Two in a window are one every half window.
        Assert.InRange(second.Delay - first.Delay, window / 2 * 0.8, window / 2 * 1.1);
        Assert.InRange(batch.Delay - second.Delay, window / 2 * 0.8, window / 2 * 1.1);
        Assert.InRange(urgent.Delay, TimeSpan.Zero, first.Delay);
    }

    [Fact]
    public async Task What_is_used_counts_in_place_of_what_was_reserved()
    {
        await using var windows = NewWindows(TimeSpan.FromMinutes(1));
        var limits = new ProviderLimits { OutputTokensPerMinute = 100 };
        var reservation = Ask(limits, output: 90);
        var slot = (await windows.ReserveAsync(reservation, TestRun.Cancel)).Slot!.Value;
        Assert.Null((await windows.ReserveAsync(Ask(limits, output: 20, hasTurn: true), TestRun.Cancel)).Slot);

        windows.Settle(Used(reservation, slot, -80));
        await Eventually.TrueAsync(
            async _ => (await windows.ReserveAsync(Ask(limits, output: 60, hasTurn: true), TestRun.Cancel)).Slot is not null,
            "there is room again"
        );
        windows.Settle(Used(reservation, slot, 500));
        await Eventually.TrueAsync(
            async _ => (await windows.ReserveAsync(Ask(limits, output: 1, hasTurn: true), TestRun.Cancel)).Slot is null,
            "and none when more was used"
        );
    }

    [Fact]
    public async Task A_job_that_is_given_back_after_the_leader_has_looked_goes_on_when_there_is_room()
    {
        await using var windows = NewWindows(TimeSpan.FromMinutes(1));
        var limits = new ProviderLimits { OutputTokensPerMinute = 100 };
        var reservation = Ask(limits, output: 90);
        var slot = (await windows.ReserveAsync(reservation, TestRun.Cancel)).Slot!.Value;
        Assert.Null((await windows.ReserveAsync(Ask(limits, output: 20), TestRun.Cancel)).Slot);
        var release = Core.Get<ReleaseLimitedJobs>();
        Assert.Equal(0, await release.RunAsync(TestRun.Cancel));

        await Core.ExecuteAsync(
            "UPDATE jobs SET status = 5, waiting_reason = 'rate_limit:p0/sim:output_tokens_per_minute', due_at = now() + interval '5 minutes' WHERE id = @id",
            await Core.SubmitAsync()
        );
        windows.Settle(Used(reservation, slot, -80));

        await Eventually.TrueAsync(async _ => await release.RunAsync(TestRun.Cancel) == 1, "it is let go on");
    }

    [Fact]
    public async Task Who_looks_whether_others_may_go_on_waits_for_no_call_and_keeps_its_turns()
    {
        await using var windows = NewWindows(TimeSpan.FromMinutes(1));
        var limits = new ProviderLimits { OutputTokensPerMinute = 100 };
        Assert.NotNull((await windows.ReserveAsync(Ask(limits, output: 90), TestRun.Cancel)).Slot);
        Assert.Null((await windows.ReserveAsync(Ask(limits, output: 20), TestRun.Cancel)).Slot);
        var release = Core.Get<ReleaseLimitedJobs>();
        await using var other = await Core.Database.OpenConnectionAsync(TestRun.Cancel);
        await using (var held = await other.BeginTransactionAsync(TestRun.Cancel))
        {
            await using var call = new NpgsqlCommand("SELECT call_window(deployment, 60000) FROM call_windows", other, held);
            await call.ExecuteNonQueryAsync(TestRun.Cancel);

            // Held for longer than a statement waits for a lock.
            Assert.Equal(0, await release.RunAsync(TestRun.Cancel));
            Assert.Equal(1, await TurnsAsync());
        }

        Assert.Equal(0, await release.RunAsync(TestRun.Cancel));
        Assert.Equal(0, await TurnsAsync());

        Task<int> TurnsAsync() => Core.ScalarAsync<int>("SELECT count(*) FROM call_windows, unnest(turns) AS t WHERE t > now()");
    }

    [Fact]
    public async Task A_settlement_that_may_be_there_already_takes_nothing_off_again()
    {
        await using var windows = NewWindows(TimeSpan.FromMinutes(1));
        var reservation = Ask(new ProviderLimits { OutputTokensPerMinute = 100 }, output: 90);
        var slot = (await windows.ReserveAsync(reservation, TestRun.Cancel)).Slot!.Value;
        await using var other = await Core.Database.OpenConnectionAsync(TestRun.Cancel);
        await using (var held = await other.BeginTransactionAsync(TestRun.Cancel))
        {
            await using var hold = new NpgsqlCommand("LOCK TABLE call_windows", other, held);
            await hold.ExecuteNonQueryAsync(TestRun.Cancel);
            windows.Settle(Used(reservation, slot, -80));
            windows.Settle(Used(Ask(new ProviderLimits { OutputTokensPerMinute = 100 }), slot, 3));
            // The worker cannot know whether it was done.
            await Eventually.TrueAsync(
                async _ =>
                    await Core.ScalarAsync<int>(
                        "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                            + "AND wait_event_type = 'Lock' AND query LIKE '%settle_call%' AND pid <> pg_backend_pid()) t"
                    ) > 0,
                "its connection is gone"
            );
        }

        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT (SELECT sum(t) FROM unnest(output_tokens) t) FROM call_windows") == 93,
            "it counts what was used more, and what was used less does not make room"
        );
    }

    [Theory]
    [InlineData(20)]
    [InlineData(1_000_000)]
    public async Task P_14_a_clock_that_was_ahead_opens_no_limit_and_closes_none_for_long(int slotsAhead)
    {
        await using var windows = NewWindows();
        var limits = new ProviderLimits { RequestsPerMinute = 1 };
        Assert.NotNull((await windows.ReserveAsync(Ask(limits), TestRun.Cancel)).Slot);

        // The count is where it was put, as if the clock had gone through all the slots. At once, and from now on: the window is short.
        await Core.ExecuteAsync(
            $"""
            UPDATE call_windows SET slot = ahead, requests = ARRAY(SELECT (s = ahead % 122)::int::bigint FROM generate_series(0, 121) s)
              FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000 / slot_ms)::bigint + {slotsAhead} AS ahead FROM call_windows) n
            """,
            Guid.Empty
        );

        Assert.Null((await windows.ReserveAsync(Ask(limits, hasTurn: true), TestRun.Cancel)).Slot);
        await Eventually.TrueAsync(
            async _ => (await windows.ReserveAsync(Ask(limits, hasTurn: true), TestRun.Cancel)).Slot is not null,
            "the window is over",
            TimeSpan.FromSeconds(20)
        );
    }

    [Fact]
    public async Task More_than_a_whole_window_allows_is_let_through_alone()
    {
        await using var windows = NewWindows(TimeSpan.FromMinutes(1));
        var limits = new ProviderLimits { InputTokensPerMinute = 10 };

        Assert.NotNull((await windows.ReserveAsync(Ask(limits, input: 50), TestRun.Cancel)).Slot);
        Assert.Null((await windows.ReserveAsync(Ask(limits, input: 1), TestRun.Cancel)).Slot);
    }

    [Fact]
    public async Task Who_waited_for_another_deployment_stands_behind_those_who_wait_for_this_one()
    {
        await using var windows = NewWindows(TimeSpan.FromMinutes(1));
        var limits = new ProviderLimits { OutputTokensPerMinute = 100 };
        Assert.NotNull((await windows.ReserveAsync(Ask(limits, output: 90), TestRun.Cancel)).Slot);
        Assert.Null((await windows.ReserveAsync(Ask(limits, output: 20), TestRun.Cancel)).Slot);
        var small = Ask(limits, output: 5);

        var elsewhere = small with { Caller = small.Caller with { TurnAt = "p1/sim" } };
        Assert.Null((await windows.ReserveAsync(elsewhere, TestRun.Cancel)).Slot);

        Assert.NotNull((await windows.ReserveAsync(Ask(limits, output: 5, hasTurn: true), TestRun.Cancel)).Slot);
    }

    [Theory]
    [InlineData("rate_limit:ollama/llama3:8b:tokens_per_minute", "ollama/llama3:8b")]
    [InlineData("rate_limit:p0/sim:pace", null)]
    [InlineData("rate_limit:", null)]
    [InlineData("budget:tenant:acme:day", null)]
    public void The_deployment_is_read_from_the_reason(string reason, string? deployment) =>
        Assert.Equal(deployment, WaitingReasons.DeploymentOf(reason));

    private CallLedger NewWindows(TimeSpan? window = null) =>
        new(
            Core.HotPath,
            Core.Get<IStorageWatch>(),
            Options.Create(new AdmissionOptions { Window = window ?? Window }),
            TimeProvider.System,
            NullLogger<CallLedger>.Instance
        );

    private static ChatCaller CallerOf(ClaimedJob job) => new(job.Lease.JobId, job.Lease.Epoch, (int)job.Priority, job.TurnAt);

    private static Settlement Used(Reservation reservation, long slot, long moreOutput) =>
        new(reservation, slot, 0, moreOutput, CallState.Settled);

    private static Reservation Ask(
        ProviderLimits limits,
        long input = 1,
        long output = 1,
        int level = 1,
        bool hasTurn = false,
        string model = "sim"
    ) =>
        new(
            new ChatDeployment("p0", model, Simulated: true, new ScriptedChatClient()) { Limits = limits },
            new ChatCaller(Guid.CreateVersion7(), 1, level, hasTurn ? $"p0/{model}" : null),
            input,
            output,
            Price: null
        );
}
