using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Jobs;

/// <summary>Two that move one waiting job at the same moment, held back by a lock until both have seen it wait.</summary>
public sealed class WaitRaceTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    // Who gives up waiting asks again, and is then behind the other.
    protected override IEnumerable<(string Key, string Value)> HostSettings => [CoreHost.PatientWithLocks];

    [Fact]
    public async Task I_4_a_timeout_that_comes_while_an_answer_is_written_changes_nothing()
    {
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);
        Assert.True(await running.EndAsync(AttemptEnd.AskedForTool(new("{}", Timeout: TimeSpan.FromHours(1)))));
        await Core.ExecuteAsync("UPDATE job_waits SET timeout_at = now() WHERE job_id = @id", id);
        await using var connection = await Core.Database.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using var hold = new NpgsqlCommand("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", connection, transaction);
        hold.Parameters.AddWithValue(id);
        await hold.ExecuteNonQueryAsync(TestRun.Cancel);

        // Both have found the wait open; the answer is the first in the line.
        var answer = Core.Get<AnswerWait>().ToolAnsweredAsync(new(ApiKeyStore.DefaultTenant, id, 1), "1", TestRun.Cancel);
        await UntilBlockedAsync(1);
        var timeout = Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        await UntilBlockedAsync(2);
        await transaction.RollbackAsync(TestRun.Cancel);
        await timeout;

        Assert.Equal(new AnswerOutcome.Taken(JobStatus.Queued), await answer);
        Assert.Equal(JobStatus.Queued, await Core.StatusAsync(id));
        var wait = Assert.Single(await Core.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel));
        Assert.Equal((WaitAnswer.Continued, "1"), (wait.Answer, wait.AnswerData));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters"));
    }

    private Task UntilBlockedAsync(int count) =>
        Eventually.TrueAsync(
            async _ =>
                await Core.ScalarAsync<int>(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ) == count,
            $"{count} statements wait for the job's row"
        );
}
