using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>Jobs that end together are read together, and each waiter has its own or nothing.</summary>
public sealed class EndedJobsTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private EndedJobs Ended => Core.Get<EndedJobs>();

    [Fact]
    public async Task Many_at_once_are_each_told_their_own_and_nothing_while_they_wait()
    {
        var ended = await EndedAsync(40);
        var waiting = await SubmitAsync(5);

        var found = await Task.WhenAll(ended.Concat(waiting).Select(id => FindAsync(ApiKeyStore.DefaultTenant, id)));

        Assert.Equal(ended.Select(id => ((Guid?)id, JobStatuses.Cancelled)), found.Take(40).Select(job => (job?.Id, job!.Status)));
        Assert.All(found.Skip(40), Assert.Null);
    }

    [Fact]
    public async Task A_tenant_is_told_nothing_of_anothers_job_that_is_read_with_its_own()
    {
        var id = (await EndedAsync(1))[0];

        var found = await Task.WhenAll(
            Enumerable.Range(0, 30).Select(i => FindAsync(i % 2 == 0 ? ApiKeyStore.DefaultTenant : Guid.CreateVersion7(), id))
        );

        Assert.All(found.Where((_, i) => i % 2 == 0), job => Assert.Equal(id, job!.Id));
        Assert.All(found.Where((_, i) => i % 2 == 1), Assert.Null);
    }

    [Fact]
    public async Task One_that_cannot_be_read_takes_no_other_with_it()
    {
        var ids = await SubmitAsync(10);
        ids[4] = await Core.SubmitAsync(CoreHost.Draft() with { Metadata = "[not JSON" });
        foreach (var id in ids)
        {
            await CancelAsync(id);
        }

        var reads = ids.Select(id => FindAsync(ApiKeyStore.DefaultTenant, id)).ToList();

        await Assert.ThrowsAnyAsync<JsonException>(() => reads[4]);
        reads.RemoveAt(4);
        Assert.Equal(ids.Where((_, i) => i != 4), (await Task.WhenAll(reads)).Select(job => job!.Id));
    }

    [Fact]
    public async Task Who_waits_for_the_end_is_told_whether_it_comes_before_or_after()
    {
        var id = (await SubmitAsync(1))[0];
        var reader = Core.Get<JobEventReader>();
        var before = reader.WaitForEndAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);

        await CancelAsync(id);

        Assert.Equal(JobStatuses.Cancelled, (await before).Status);
        Assert.Equal(JobStatuses.Cancelled, (await reader.WaitForEndAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel)).Status);
    }

    [Fact]
    public async Task Who_has_left_is_not_read_for()
    {
        var ids = await EndedAsync(3);
        var store = WatchedStore.Of(Core.Get<IJobStore>());
        await using var ended = new EndedJobs(store.Store);
        var first = ended.FindAsync(ApiKeyStore.DefaultTenant, ids[0], TestRun.Cancel);
        await store.IsReadAsync();
        using var leaving = new CancellationTokenSource();
        var left = ended.FindAsync(ApiKeyStore.DefaultTenant, ids[1], leaving.Token);
        var stays = ended.FindAsync(ApiKeyStore.DefaultTenant, ids[2], TestRun.Cancel);

        await leaving.CancelAsync();
        store.Go();

        Assert.Equal([ids[0], ids[2]], (await Task.WhenAll(first, stays)).Select(job => job!.Id));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        Assert.Equal(
            [
                [ids[0]],
                [ids[2]],
            ],
            store.Reads
        );
    }

    [Fact]
    public async Task Trouble_of_the_storage_is_told_to_all_who_ask_and_is_not_looked_for_again()
    {
        var ids = await EndedAsync(4);
        var store = WatchedStore.Of(Core.Get<IJobStore>());
        await using var ended = new EndedJobs(store.Store);
        store.Fails = new TimeoutException();
        var reads = new List<Task<Job?>> { ended.FindAsync(ApiKeyStore.DefaultTenant, ids[0], TestRun.Cancel) };
        await store.IsReadAsync();
        reads.AddRange(ids.Skip(1).Select(id => ended.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel)));

        store.Go();

        foreach (var read in reads)
        {
            await Assert.ThrowsAsync<TimeoutException>(() => read);
        }

        Assert.Equal([1, 3], store.Reads.Select(read => read.Count));
    }

    [Fact]
    public async Task Whoever_asks_a_process_that_stops_is_answered_all_the_same()
    {
        var id = (await EndedAsync(1))[0];
        var ended = new EndedJobs(Core.Get<IJobStore>());
        await ended.DisposeAsync();

        Assert.Equal(id, (await ended.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!.Id);
    }

    private async Task<Guid[]> EndedAsync(int count)
    {
        var ids = await SubmitAsync(count);
        foreach (var id in ids)
        {
            await CancelAsync(id);
        }

        return ids;
    }

    private Task<Job?> FindAsync(Guid tenantId, Guid jobId) => Ended.FindAsync(tenantId, jobId, TestRun.Cancel);

    private async Task<Guid[]> SubmitAsync(int count) => await Task.WhenAll(Enumerable.Range(0, count).Select(_ => Core.SubmitAsync()));

    private Task<CancelOutcome> CancelAsync(Guid id) => Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);
}
