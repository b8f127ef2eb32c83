using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace AiBackend.Core.Queue;

/// <summary>The short list of job ids that workers may claim next: a Redis stream with one consumer group.</summary>
/// <remarks>
/// An entry is a hint. Losing one, or all, or the stream itself, delays jobs until the dispatcher offers them again; a
/// duplicate finds nothing to claim. Every stream command is in this file, in a form that the library's later versions
/// accept too. Commands: https://redis.io/docs/latest/develop/data-types/streams/
/// </remarks>
public sealed class ReadyQueue : IReadyQueue
{
    private const string Group = "workers";

    // Three rounds of a dispatcher that has nothing to do.
    private const int GuidedMilliseconds = 3000;

    private readonly RedisConnection _redis;
    private readonly ILogger<ReadyQueue> _logger;
    private readonly int _limit;
    private readonly TimeSpan _offerAgainAfter;
    private readonly RedisKey _stream;
    private readonly RedisKey _backlog;
    private readonly RedisKey _inFlight;
    private readonly RedisKey _guided;
    private readonly RedisKey _kept;

    /// <summary>Names the keys.</summary>
    public ReadyQueue(
        RedisConnection redis,
        IOptions<QueueOptions> options,
        IOptions<RedisOptions> redisOptions,
        ILogger<ReadyQueue> logger
    )
    {
        _redis = redis;
        _logger = logger;
        _limit = options.Value.ReadyLimit;
        _offerAgainAfter = options.Value.OfferAgainAfter;
        // The braces keep a pool's keys in one slot of a Redis Cluster.
        _stream = $"{redisOptions.Value.KeyPrefix}:{{default}}:ready";
        _backlog = $"{redisOptions.Value.KeyPrefix}:{{default}}:backlog";
        _inFlight = $"{redisOptions.Value.KeyPrefix}:{{default}}:in-flight";
        _guided = $"{redisOptions.Value.KeyPrefix}:{{default}}:guided";
        _kept = $"{redisOptions.Value.KeyPrefix}:{{default}}:kept";
        RoomChannel = $"{redisOptions.Value.KeyPrefix}:{{default}}:room";
        WakeChannel = $"{redisOptions.Value.KeyPrefix}:{{default}}:wake";
    }

    /// <inheritdoc />
    public string WakeChannel { get; }

    /// <inheritdoc />
    public string RoomChannel { get; }

    /// <inheritdoc />
    public int Limit => _limit;

    /// <inheritdoc />
    public Task<int> OfferNewAsync(IReadOnlyList<NewJob> jobs) => OfferAsync(jobs, ordered: false, null);

    /// <inheritdoc />
    public Task<int> OfferOrderedAsync(IReadOnlyList<Guid> jobIds, int? inFlight) =>
        OfferAsync([.. jobIds.Select(id => new NewJob(id, Guid.Empty))], ordered: true, inFlight);

    /// <inheritdoc />
    public async Task<IReadOnlyList<ReadyEntry>> ReadAsync(string consumer, int count)
    {
        try
        {
            return ParseStreams(await _redis.ExecuteAsync("XREADGROUP", "GROUP", Group, consumer, "COUNT", count, "STREAMS", _stream, ">"));
        }
        catch (RedisServerException broken) when (IsMissing(broken) || IsForeign(broken))
        {
            await CreateGroupAsync();
            return [];
        }
    }

    /// <inheritdoc />
    public Task AcknowledgeAsync(IReadOnlyCollection<string> entryIds) =>
        entryIds.Count == 0
            ? Task.CompletedTask
            : _redis.EvaluateAsync(
                ReadyScripts.Acknowledge,
                [_stream, _backlog, _kept],
                [Group, RoomChannel, .. entryIds.Select(id => (RedisValue)id)]
            );

    /// <inheritdoc />
    public Task GuideAsync(int? inFlight) =>
        _redis.EvaluateAsync(ReadyScripts.Guide, [_inFlight, _guided], [inFlight ?? -1, GuidedMilliseconds]);

    /// <inheritdoc />
    public Task KeepAsync(KeptSlots kept) =>
        _redis.EvaluateAsync(
            ReadyScripts.Keep,
            [_kept],
            [GuidedMilliseconds, kept.InFlight, kept.Together, .. kept.Owed.SelectMany(owed => new[] { Bytes(owed.Key), owed.Value })]
        );

    /// <inheritdoc />
    public async Task<bool> IsGuidedAsync() => (long)await _redis.ExecuteAsync("EXISTS", _guided) > 0;

    /// <inheritdoc />
    public async Task<ReadyState> LookAsync(bool keepsSlots = false)
    {
        // In one step, because the dispatcher looks before every decision.
        RedisValue[] arguments = [Group, _limit, (long)_offerAgainAfter.TotalMilliseconds, keepsSlots ? 1 : 0];
        if ((RedisResult[]?)await _redis.EvaluateAsync(ReadyScripts.Look, [_stream], arguments) is [var entries, var consumers, var past])
        {
            return new ReadyState(ParseJobs(entries), ParseConsumers(consumers)) { PastLine = ParseJobs(past) };
        }

        // Nothing was ever offered, or Redis lost everything.
        await CreateGroupAsync();
        return new ReadyState([], new Dictionary<string, int>(StringComparer.Ordinal));
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<StaleEntry>> FindStaleAsync(TimeSpan idle)
    {
        var stale = new List<StaleEntry>();
        var from = "-";
        while (await FindStaleAsync(idle, from) is { Count: > 0 } part)
        {
            stale.AddRange(part);
            from = "(" + part[^1].Entry.EntryId;
        }

        return stale;
    }

    /// <inheritdoc />
    public async Task DropOrphansAsync()
    {
        if ((int)await _redis.EvaluateAsync(ReadyScripts.DropOrphans, [_stream], [Group]) is > 0 and var orphans)
        {
            _logger.OrphansRemoved(orphans, _stream.ToString()!);
        }
    }

    /// <inheritdoc />
    public Task ClearBacklogAsync() => _redis.ExecuteAsync("DEL", _backlog);

    /// <inheritdoc />
    public Task NoteBacklogAsync() => _redis.ExecuteAsync("SET", _backlog, "1");

    /// <inheritdoc />
    public async Task<bool> HasBacklogAsync() => (long)await _redis.ExecuteAsync("EXISTS", _backlog) > 0;

    /// <inheritdoc />
    public Task RemoveConsumerAsync(string consumer) => _redis.EvaluateAsync(ReadyScripts.RemoveConsumer, [_stream], [Group, consumer]);

    /// <inheritdoc />
    public async Task<int> RemoveIdleConsumersAsync(TimeSpan idle) =>
        (int)await _redis.EvaluateAsync(ReadyScripts.RemoveIdleConsumers, [_stream], [Group, (long)idle.TotalMilliseconds]);

    private async Task<int> OfferAsync(IReadOnlyList<NewJob> jobs, bool ordered, int? inFlight)
    {
        if (jobs.Count == 0)
        {
            return 0;
        }

        RedisValue[] arguments =
        [
            _limit,
            ordered ? 1 : 0,
            WakeChannel,
            Group,
            RoomChannel,
            inFlight ?? -1,
            .. jobs.SelectMany(job => new[] { Bytes(job.Id), Bytes(job.TenantId) }),
        ];
        var taken = (int)await _redis.EvaluateAsync(ReadyScripts.Offer, [_stream, _backlog, _inFlight, _kept], arguments);
        FaultPoints.Hit(FaultPoint.K5);
        return taken;
    }

    private async Task<List<StaleEntry>> FindStaleAsync(TimeSpan idle, string from)
    {
        var reply = await _redis.EvaluateAsync(ReadyScripts.FindStale, [_stream], [Group, (long)idle.TotalMilliseconds, from]);
        var rows = ((RedisResult[]?)reply ?? []).Select(row => (RedisResult[])row!).ToList();
        if (rows.Count(row => row[2].IsNull) is > 0 and var vanished)
        {
            _logger.EntriesVanished(vanished, _stream.ToString()!);
        }

        return [.. rows.Select(row => new StaleEntry(new((string)row[0]!, ParseId(row[2])), (string)row[1]!))];
    }

    private static bool IsMissing(RedisServerException failure) =>
        failure.Message.StartsWith("NOGROUP", StringComparison.Ordinal)
        || failure.Message.Contains("no such key", StringComparison.Ordinal);

    private static bool IsForeign(RedisServerException failure) => failure.Message.StartsWith("WRONGTYPE", StringComparison.Ordinal);

    private async Task CreateGroupAsync()
    {
        try
        {
            if ((int)await _redis.EvaluateAsync(ReadyScripts.DropForeign, [_stream], []) > 0)
            {
                _logger.ForeignKeyRemoved(_stream.ToString()!);
            }

            // From 0, never from $: entries that were added while there was no group must not be skipped.
            await _redis.ExecuteAsync("XGROUP", "CREATE", _stream, Group, "0", "MKSTREAM");
            _logger.GroupRecreated(_stream.ToString()!);
        }
        catch (RedisServerException exists) when (exists.Message.StartsWith("BUSYGROUP", StringComparison.Ordinal))
        {
            // Another worker was faster.
        }
    }

    private static Dictionary<string, int> ParseConsumers(RedisResult reply) =>
        ((RedisResult[]?)reply ?? []).ToDictionary(
            consumer => (string)Field(consumer, "name")!,
            consumer => (int)Field(consumer, "pending"),
            StringComparer.Ordinal
        );

    /// <summary>A value of a reply of names and values.</summary>
    private static RedisResult Field(RedisResult reply, string name)
    {
        var fields = (RedisResult[])reply!;
        return fields[Array.FindIndex(fields, field => (string?)field == name) + 1];
    }

    private static List<ReadyEntry> ParseStreams(RedisResult reply)
    {
        if (reply.IsNull || (RedisResult[]?)reply is not [var first, ..])
        {
            return [];
        }

        return ParseEntries(((RedisResult[])first!)[1]);
    }

    private static List<ReadyEntry> ParseEntries(RedisResult reply)
    {
        var entries = new List<ReadyEntry>();
        foreach (var entry in (RedisResult[]?)reply ?? [])
        {
            var parts = (RedisResult[])entry!;
            var id = !parts[1].IsNull && (RedisResult[]?)parts[1] is [_, var value, ..] ? ParseId(value) : Guid.Empty;
            entries.Add(new ReadyEntry((string)parts[0]!, id));
        }

        return entries;
    }

    private static HashSet<Guid> ParseJobs(RedisResult reply) => [.. ParseEntries(reply).Select(entry => entry.JobId)];

    private static RedisValue Bytes(Guid id) => id.ToByteArray(bigEndian: true);

    /// <summary>Redis carries no authority: an entry that is not ours, or was tampered with, becomes an id that claims nothing.</summary>
    private static Guid ParseId(RedisResult value) =>
        (byte[]?)value is { Length: 16 } bytes ? new Guid(bytes, bigEndian: true) : Guid.Empty;
}
