using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Limits;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Queue;

// What those who wait are told.
public sealed partial class SharedLimitTests
{
    [Fact]
    public async Task Who_waits_for_a_limit_is_told_the_place_that_the_line_gives_and_the_time_that_the_window_takes()
    {
        await CallsAsync(10);
        await HoldAsync(_large, 500);
        await HoldAsync(_large, 7, priority: 0);
        await HoldAsync(_small, 3);
        await PublishAsync();

        // Seven are more urgent; of its own tenant two are before it, and of the other as many meanwhile.
        Assert.Equal(11, (await TellAsync(_small, 3)).Position);
        // A window of an hour that ten calls filled a moment ago lets ten go on in an hour, and the next ten an hour later.
        var (third, last) = (await TellAsync(_small, 3), await TellAsync(_large, 500));
        Assert.Equal(Reason, third.WaitingReason);
        Assert.InRange(third.EtaP50!.Value, 1.8 * 3600, 2.1 * 3600);
        Assert.InRange(third.EtaP90!.Value, third.EtaP50.Value, 2.1 * 3600);
        Assert.Equal(499 + 7 + 3, last.Position);
        Assert.InRange(last.EtaP50!.Value, 50 * 3600, 54 * 3600);
    }

    [Fact]
    public async Task Who_asks_for_what_others_wait_for_is_told_so_at_once_and_who_asks_for_something_else_is_not()
    {
        await CallsAsync(10);
        await HoldAsync(_large, 500);
        await PublishAsync();
        var draft = CoreHost.Draft() with { TenantId = _small };

        var place = Core.Get<LineOutlook>().Foresee(draft).Place;
        var behind = Core.Get<LineOutlook>().Foresee(draft with { TenantId = _large, Priority = JobPriority.Batch }).Place;

        Assert.Equal((0, Reason), (place!.Position, place.WaitingReason));
        Assert.InRange(place.EtaP50!.Value, 3500, 3800);
        Assert.Equal(500, behind!.Position);
        Assert.Null(Core.Get<LineOutlook>().Foresee(draft with { Model = "another" }).Place);
        Assert.Null(Core.Get<LineOutlook>().Foresee(draft with { NotBefore = DateTimeOffset.MaxValue }).Place);
    }

    [Fact]
    public async Task Nothing_is_told_of_a_limit_that_nobody_waits_for_any_more()
    {
        await CallsAsync(10);
        await HoldAsync(_large, 5);
        await PublishAsync();
        var job = await FindAsync(_large, 5);
        await Core.ExecuteAsync("UPDATE limit_outlook SET at = now() - interval '6 seconds'", Guid.Empty);
        await Core.Get<LimitOutlook>().RefreshAsync(TestRun.Cancel);

        Assert.Null(Core.Get<LineOutlook>().Foresee(CoreHost.Draft() with { TenantId = _small }).Place);
        Assert.Equal(new QueuePlace(null, null, null, Reason), Core.Get<LineOutlook>().Describe(job, _large).Queue);
    }

    [Fact]
    public async Task P_13_who_was_let_go_on_and_refused_again_is_not_charged_again()
    {
        await AllowAsync(1);
        await HoldAsync(_large, 100);
        await HoldAsync(_small, 100);

        await Core.ExecuteAsync("UPDATE jobs SET expected_tokens = 1000", Guid.Empty);
        var gone = new Dictionary<Guid, int> { [_large] = 0, [_small] = 0 };

        for (var look = 0; look < 30; look++)
        {
            Assert.Equal(1, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));
            // One tenant's jobs are refused once more, each of them.
            await Core.ExecuteAsync(
                $"UPDATE jobs SET error_code = 'again', due_at = now() + interval '1 hour' WHERE due_at <= now() AND error_code IS NULL AND tenant_id = '{_large}'",
                Guid.Empty
            );
            gone[_large] += await DueAsync(_large);
            gone[_small] += await DueAsync(_small);
            await Core.ExecuteAsync("DELETE FROM jobs WHERE due_at <= now()", Guid.Empty);
        }

        Assert.InRange(gone[_small] - gone[_large], 0, 2);
    }

    private async Task PublishAsync()
    {
        await Core.Get<PublishLimits>().RunAsync(TestRun.Cancel);
        // A leader writes it every second, and it is forgotten with him: not while a slow test reads it.
        await Core.ExecuteAsync("UPDATE limit_outlook SET at = now() + interval '1 hour'", Guid.Empty);
        await Core.Get<LimitOutlook>().RefreshAsync(TestRun.Cancel);
    }

    /// <summary>A window of an hour with this many calls, all of now and all that it allows.</summary>
    private async Task CallsAsync(int calls)
    {
        await AllowAsync(calls);
        await Core.ExecuteAsync(
            $"""
            UPDATE call_windows SET slot = (extract(epoch FROM now()) * 1000)::bigint / slot_ms;
            UPDATE call_windows SET requests[slot % 122 + 1] = {calls.ToString(Invariant)}
            """,
            Guid.Empty
        );
    }

    private async Task<QueuePlace> TellAsync(Guid tenant, int number) =>
        Core.Get<LineOutlook>().Describe(await FindAsync(tenant, number), tenant).Queue!;

    private async Task<Job> FindAsync(Guid tenant, int number)
    {
        var id = await Core.ScalarAsync<Guid>(
            $"SELECT id FROM jobs WHERE tenant_id = '{tenant}' AND priority = 1 ORDER BY id OFFSET {(number - 1).ToString(Invariant)} LIMIT 1"
        );
        await Core.ExecuteAsync(
            $"INSERT INTO job_payloads (job_id, tenant_id, schema_version, input, metadata) VALUES (@id, '{tenant}', 1, '{{}}', '{{}}') ON CONFLICT DO NOTHING",
            id
        );
        return (await Core.Reads.FindAsync(tenant, id, TestRun.Cancel))!;
    }
}
