using System.Globalization;
using AiBackend.Core.Faults;
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

    // Entries leave the stream when they are acknowledged, so length minus pending is what nobody has read yet.
    private const string OfferScript = """
        if ARGV[2] == '0' and redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
        local pending = redis.pcall('XPENDING', KEYS[1], ARGV[4])
        local read = 0
        if type(pending) == 'table' and not pending.err then read = pending[1] end
        local room = tonumber(ARGV[1]) - (redis.call('XLEN', KEYS[1]) - read)
        local count = #ARGV - 4
        local taken = math.max(0, math.min(count, room))
        for i = 5, 4 + taken do redis.call('XADD', KEYS[1], '*', 'id', ARGV[i]) end
        if taken < count and ARGV[2] == '0' then redis.call('SET', KEYS[2], '1') end
        if taken > 0 then redis.call('PUBLISH', ARGV[3], taken) end
        return taken
        """;

    private const string AcknowledgeScript = """
        for i = 2, #ARGV do
            redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
            redis.call('XDEL', KEYS[1], ARGV[i])
        end
        return #ARGV - 1
        """;

    // Deleting a consumer forgets what it had read but leaves the entries in the stream, where nobody would ever see them again.
    private const string RemoveConsumerScript = """
        local left = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000, ARGV[2])
        for _, entry in ipairs(left) do
            redis.call('XACK', KEYS[1], ARGV[1], entry[1])
            redis.call('XDEL', KEYS[1], entry[1])
        end
        return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
        """;

    // A worker that was killed leaves its consumer behind, and one more with every kill.
    private const string RemoveIdleConsumersScript = """
        local removed = 0
        for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
            local field = {}
            for i = 1, #consumer, 2 do field[consumer[i]] = consumer[i + 1] end
            if field['pending'] == 0 and field['idle'] > tonumber(ARGV[2]) then
                removed = removed + redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], field['name']) + 1
            end
        end
        return removed
        """;

    private readonly RedisConnection _redis;
    private readonly ILogger<ReadyQueue> _logger;
    private readonly int _limit;
    private readonly RedisKey _stream;
    private readonly RedisKey _backlog;

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
        // The braces keep a pool's keys in one slot of a Redis Cluster.
        _stream = $"{redisOptions.Value.KeyPrefix}:{{default}}:ready";
        _backlog = $"{redisOptions.Value.KeyPrefix}:{{default}}:backlog";
        WakeChannel = $"{redisOptions.Value.KeyPrefix}:{{default}}:wake";
    }

    /// <inheritdoc />
    public string WakeChannel { get; }

    /// <inheritdoc />
    public int Limit => _limit;

    /// <inheritdoc />
    public Task<int> OfferNewAsync(IReadOnlyList<Guid> jobIds) => OfferAsync(jobIds, ordered: false);

    /// <inheritdoc />
    public Task<int> OfferOrderedAsync(IReadOnlyList<Guid> jobIds) => OfferAsync(jobIds, ordered: true);

    /// <inheritdoc />
    public async Task<IReadOnlyList<ReadyEntry>> ReadAsync(string consumer, int count)
    {
        try
        {
            return ParseStreams(await _redis.ExecuteAsync("XREADGROUP", "GROUP", Group, consumer, "COUNT", count, "STREAMS", _stream, ">"));
        }
        catch (RedisServerException missing) when (missing.Message.StartsWith("NOGROUP", StringComparison.Ordinal))
        {
            await CreateGroupAsync();
            return [];
        }
    }

    /// <inheritdoc />
    public Task AcknowledgeAsync(IReadOnlyCollection<string> entryIds) =>
        entryIds.Count == 0
            ? Task.CompletedTask
            : _redis.EvaluateAsync(AcknowledgeScript, [_stream], [Group, .. entryIds.Select(id => (RedisValue)id)]);

    /// <inheritdoc />
    public async Task<HashSet<Guid>> ReadWaitingAsync()
    {
        if (await FindLastDeliveredAsync() is not { } last)
        {
            return [];
        }

        var entries = await _redis.ExecuteAsync("XRANGE", _stream, "(" + last, "+", "COUNT", _limit);
        return [.. ParseEntries(entries).Select(entry => entry.JobId)];
    }

    /// <inheritdoc />
    public async Task DropStaleAsync(string consumer, TimeSpan idle)
    {
        var reply = (RedisResult[]?)
            await _redis.ExecuteAsync(
                "XAUTOCLAIM",
                _stream,
                Group,
                consumer,
                ((long)idle.TotalMilliseconds).ToString(CultureInfo.InvariantCulture),
                "0-0",
                "COUNT",
                "500",
                "JUSTID"
            );
        if (reply is [_, var ids, ..] && (RedisResult[]?)ids is { Length: > 0 } stale)
        {
            await AcknowledgeAsync([.. stale.Select(id => (string)id!)]);
        }
    }

    /// <inheritdoc />
    public async Task<bool> ClearBacklogAsync() => (long)await _redis.ExecuteAsync("DEL", _backlog) > 0;

    /// <inheritdoc />
    public Task NoteBacklogAsync() => _redis.ExecuteAsync("SET", _backlog, "1");

    /// <inheritdoc />
    public async Task<bool> HasBacklogAsync() => (long)await _redis.ExecuteAsync("EXISTS", _backlog) > 0;

    /// <inheritdoc />
    public Task RemoveConsumerAsync(string consumer) => _redis.EvaluateAsync(RemoveConsumerScript, [_stream], [Group, consumer]);

    /// <inheritdoc />
    public async Task<int> RemoveIdleConsumersAsync(TimeSpan idle) =>
        (int)await _redis.EvaluateAsync(RemoveIdleConsumersScript, [_stream], [Group, (long)idle.TotalMilliseconds]);

    private async Task<int> OfferAsync(IReadOnlyList<Guid> jobIds, bool ordered)
    {
        if (jobIds.Count == 0)
        {
            return 0;
        }

        var arguments = new RedisValue[4 + jobIds.Count];
        (arguments[0], arguments[1], arguments[2], arguments[3]) = (_limit, ordered ? 1 : 0, WakeChannel, Group);
        for (var i = 0; i < jobIds.Count; i++)
        {
            arguments[4 + i] = jobIds[i].ToByteArray(bigEndian: true);
        }

        var taken = (int)await _redis.EvaluateAsync(OfferScript, [_stream, _backlog], arguments);
        FaultPoints.Hit(FaultPoint.K5);
        return taken;
    }

    private async Task CreateGroupAsync()
    {
        try
        {
            // From 0, never from $: entries that were added while there was no group must not be skipped.
            await _redis.ExecuteAsync("XGROUP", "CREATE", _stream, Group, "0", "MKSTREAM");
            _logger.GroupRecreated(_stream.ToString()!);
        }
        catch (RedisServerException exists) when (exists.Message.StartsWith("BUSYGROUP", StringComparison.Ordinal))
        {
            // Another worker was faster.
        }
    }

    private async Task<string?> FindLastDeliveredAsync()
    {
        try
        {
            var groups = (RedisResult[]?)await _redis.ExecuteAsync("XINFO", "GROUPS", _stream);
            foreach (var group in groups ?? [])
            {
                var fields = (RedisResult[])group!;
                for (var i = 0; i + 1 < fields.Length; i += 2)
                {
                    if ((string?)fields[i] == "last-delivered-id")
                    {
                        return (string?)fields[i + 1];
                    }
                }
            }
        }
        catch (RedisServerException missing) when (missing.Message.Contains("no such key", StringComparison.Ordinal))
        {
            // Nothing was ever offered, or Redis lost everything.
        }

        await CreateGroupAsync();
        return null;
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
            // Redis carries no authority: an entry that is not ours, or was tampered with, becomes an id that claims nothing.
            var id =
                !parts[1].IsNull && (RedisResult[]?)parts[1] is [_, var value, ..] && (byte[]?)value is { Length: 16 } bytes
                    ? new Guid(bytes, bigEndian: true)
                    : Guid.Empty;
            entries.Add(new ReadyEntry((string)parts[0]!, id));
        }

        return entries;
    }
}
