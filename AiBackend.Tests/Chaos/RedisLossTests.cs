using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Queue;

namespace AiBackend.Tests.Chaos;

/// <summary>Whatever Redis loses, every job is done once and everything is normal again within 15 s, by itself.</summary>
public sealed class RedisLossTests(PostgresServer postgres)
{
    private static readonly TimeSpan Recovery = TimeSpan.FromSeconds(15);

    [Theory]
    [InlineData("FLUSHALL")]
    [InlineData("DEL " + RedisTrouble.Stream)]
    [InlineData("XGROUP DESTROY " + RedisTrouble.Stream + " workers")]
    [InlineData("XTRIM " + RedisTrouble.Stream + " MAXLEN 0")]
    [InlineData("XGROUP SETID " + RedisTrouble.Stream + " workers $")]
    [InlineData("SET " + RedisTrouble.Stream + " foreign")]
    public async Task F_12_and_i_18_what_is_lost_of_the_stream_is_offered_again(string command)
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await using var submitter = await trouble.StartSubmitterAsync();
        var queue = submitter.Get<IReadyQueue>();
        await queue.ReadAsync("dead", 1);
        await RedisTrouble.SubmitAsync(submitter, 20);
        await Eventually.TrueAsync(async _ => (await queue.LookAsync()).Unread.Count == 20, "all wait in the stream");
        // Some are in the hands of a worker that will never come back.
        Assert.Equal(5, (await queue.ReadAsync("dead", 5)).Count);

        await trouble.Redis.SayAsync(command);
        await trouble.StartWorkerAsync();
        await trouble.AssertAllDoneAsync(Recovery);
        await trouble.AssertNormalAsync();
        var before = trouble.Log.Now;
        await trouble.Redis.SayAsync(command);
        await RedisTrouble.SubmitAsync(submitter, 20);

        await trouble.AssertAllDoneAsync(Recovery);
        await trouble.AssertNormalAsync();
        trouble.Log.AssertCalm(before);
    }

    [Fact]
    public async Task F_12_entries_that_nobody_would_ever_be_given_do_not_fill_the_stream()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await using var core = await trouble.StartSubmitterAsync();
        var queue = core.Get<IReadyQueue>();
        await queue.ReadAsync("a", 1);
        var held = Enumerable.Range(0, 3).Select(_ => Guid.CreateVersion7()).ToList();
        await queue.OfferNewAsync(held);
        Assert.Equal(3, (await queue.ReadAsync("a", 3)).Count);
        await queue.OfferNewAsync([.. Enumerable.Range(0, queue.Limit).Select(_ => Guid.CreateVersion7())]);
        await trouble.Redis.SayAsync($"XGROUP SETID {RedisTrouble.Stream} workers $");
        Assert.Equal(0, await queue.OfferOrderedAsync([Guid.CreateVersion7()], null));

        await core.Get<DropStaleEntries>().RunAsync(TimeSpan.Zero, TestRun.Cancel);

        Assert.Equal(1, await queue.OfferOrderedAsync([Guid.CreateVersion7()], null));
        Assert.Single((await queue.LookAsync()).Unread);
    }

    [Fact]
    public async Task F_9_jobs_are_accepted_and_done_while_redis_is_killed_and_restarted()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await trouble.StartWorkerAsync();
        await trouble.AssertNormalAsync();

        var since = trouble.Log.Now;
        await trouble.Redis.KillAsync();
        await RedisTrouble.SubmitAsync(trouble.Worker, 50);
        await trouble.AssertAllDoneAsync(Recovery);
        await trouble.Redis.StartAsync();

        await RedisTrouble.SubmitAsync(trouble.Worker, 50);
        await trouble.AssertAllDoneAsync(Recovery);
        await trouble.AssertNormalAsync();
        trouble.Log.AssertCalm(since);
    }

    [Fact]
    public async Task F_11_the_lost_tail_of_the_append_only_file_delays_jobs_and_loses_none()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres, "--appendonly", "yes");
        await using var submitter = await trouble.StartSubmitterAsync();
        await submitter.Get<IReadyQueue>().ReadAsync("nobody", 1);
        await RedisTrouble.SubmitAsync(submitter, 20);
        await Eventually.TrueAsync(async _ => (await submitter.Get<IReadyQueue>().LookAsync()).Unread.Count == 20, "all wait");

        await trouble.Redis.KillAsync();
        await using (var file = File.OpenWrite(AppendOnlyFile(trouble.Redis)))
        {
            file.SetLength(file.Length * 2 / 3);
        }

        await trouble.Redis.StartAsync();
        await trouble.StartWorkerAsync();

        await trouble.AssertAllDoneAsync(Recovery);
        await trouble.AssertNormalAsync();
    }

    [Fact]
    public async Task F_11_an_old_copy_of_the_append_only_file_brings_finished_jobs_back_and_none_runs_again()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres, "--appendonly", "yes");
        await using var submitter = await trouble.StartSubmitterAsync();
        await submitter.Get<IReadyQueue>().ReadAsync("nobody", 1);
        await RedisTrouble.SubmitAsync(submitter, 20);
        await Eventually.TrueAsync(async _ => (await submitter.Get<IReadyQueue>().LookAsync()).Unread.Count == 20, "all wait");
        var copy = await File.ReadAllBytesAsync(AppendOnlyFile(trouble.Redis), TestRun.Cancel);
        await trouble.StartWorkerAsync();
        await trouble.AssertAllDoneAsync(Recovery);

        await trouble.Redis.KillAsync();
        await File.WriteAllBytesAsync(AppendOnlyFile(trouble.Redis), copy, TestRun.Cancel);
        await trouble.Redis.StartAsync();

        await Eventually.TrueAsync(
            async _ => await trouble.Worker.Get<IReadyQueue>().LookAsync() is { Unread.Count: 0 },
            "what came back is read and dropped",
            Recovery
        );
        await trouble.AssertNormalAsync();
        // One attempt each, and no entry left that would be tried for ever.
        await trouble.AssertAllDoneAsync(Recovery);
        await Eventually.TrueAsync(
            async _ => (long)await trouble.Worker.Get<RedisConnection>().ExecuteAsync("XLEN", RedisTrouble.Stream) == 0,
            "the stream is empty"
        );
    }

    [Fact]
    public async Task F_13_with_a_corrupt_append_only_file_jobs_are_done_until_an_operator_removes_it()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres, "--appendonly", "yes");
        await trouble.StartWorkerAsync();
        await trouble.AssertNormalAsync();
        await trouble.Redis.KillAsync();
        await using (var file = File.OpenWrite(AppendOnlyFile(trouble.Redis)))
        {
            file.Position = 8;
            file.Write("\0\0\0\0\0\0\0\0"u8);
        }

        Assert.Contains("append only file", await trouble.Redis.StartInVainAsync(), StringComparison.Ordinal);
        await RedisTrouble.SubmitAsync(trouble.Worker, 20);
        await trouble.AssertAllDoneAsync(Recovery);
        // As docs/operations.md says.
        Directory.Delete(Path.Combine(trouble.Redis.Folder, "appendonlydir"), recursive: true);
        await trouble.Redis.StartAsync();

        await trouble.AssertNormalAsync();
    }

    [Fact]
    public async Task F_14_jobs_are_done_while_redis_is_full_and_go_through_it_again_afterwards()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await trouble.StartWorkerAsync();
        await trouble.AssertNormalAsync();

        var since = trouble.Log.Now;
        await trouble.Redis.SayAsync("CONFIG SET maxmemory 1");
        await RedisTrouble.SubmitAsync(trouble.Worker, 50);
        await trouble.AssertAllDoneAsync(Recovery);
        trouble.Log.AssertCalm(since);
        await Eventually.TrueAsync(() => trouble.Log.Events.Count > 0, "the log says so");
        await trouble.Redis.SayAsync("CONFIG SET maxmemory 0");

        await trouble.AssertNormalAsync();
    }

    [Fact]
    public async Task F_16_a_replica_that_missed_writes_and_is_promoted_delays_jobs_and_loses_none()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await using var replica = await RedisServer.StartNewAsync();
        await using var replication = FaultProxy.Before(trouble.Redis.Port);
        await using var submitter = await trouble.StartSubmitterAsync();
        var queue = submitter.Get<IReadyQueue>();
        await queue.ReadAsync("nobody", 1);
        await RedisTrouble.SubmitAsync(submitter, 10);
        await replica.SayAsync($"REPLICAOF 127.0.0.1 {replication.Port}");
        await using var seen = await CoreHost.StartAsync(trouble.Database.ConnectionString, replica.ConnectionString);
        var onReplica = seen.Get<RedisConnection>();
        await Eventually.TrueAsync(
            async _ => (long)await onReplica.ExecuteAsync("XLEN", RedisTrouble.Stream) == 10,
            "the replica follows",
            TimeSpan.FromSeconds(30)
        );

        replication.Fault = Fault.Blackhole;
        await RedisTrouble.SubmitAsync(submitter, 10);
        await Eventually.TrueAsync(async _ => (await queue.LookAsync()).Unread.Count == 20, "all wait on the first");
        await Eventually.TrueAsync(_ => Task.FromResult(replication.Reached > 0), "the replica has missed them");
        await replica.SayAsync("REPLICAOF NO ONE");
        Assert.Equal(10, (long)await onReplica.ExecuteAsync("XLEN", RedisTrouble.Stream));
        trouble.Serving = replica;
        trouble.Proxy.ResetAll();
        await trouble.StartWorkerAsync();

        await trouble.AssertAllDoneAsync(Recovery);
        await trouble.AssertNormalAsync();
    }

    private static string AppendOnlyFile(RedisServer redis) => Path.Combine(redis.Folder, "appendonlydir", "appendonly.aof.1.incr.aof");
}
