using System.Collections.Concurrent;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Tenancy.Limits;

/// <summary>Holds keys to their limits, over all servers.</summary>
/// <remarks>
/// Postgres counts by calendar minutes and hands out a twentieth of a limit at once, so that a busy key costs some twenty small statements
/// a minute and server, and a refused one none. In no minute do all servers together let in more than the limit; what a server took and
/// did not use (a twentieth at most) is lost to the others until the minute is over. What waits is counted as <see cref="KeyQueue"/>
/// says: several servers may pass it by what the others let in within a second.
/// </remarks>
public sealed class KeyAllowances(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    NpgsqlDataSource ordinary,
    TimeProvider clock
) : IDisposable
{
    private const int MaxKnown = 10_000;

    // A count may have to look at all that waits of a tenant: not where keys are looked up, and never many at once.
    private const int CountsAtOnce = 2;
    private static readonly TimeSpan FullPause = TimeSpan.FromSeconds(5);

    private const string TakeSql = "SELECT * FROM take_key_allowance(@tenant_id, @key_id, @kind, @wanted, @least, @limit)";

    // Arms, because each has an index of its own. More than the limit need not be counted.
    private const string InLineSql = """
        SELECT id, priority FROM jobs WHERE tenant_id = @tenant_id AND status = 1 AND pool = 'default'
        UNION ALL
        SELECT id, priority FROM jobs WHERE tenant_id = @tenant_id AND status = 1 AND pool <> 'default'
        """;

    private const string OthersSql = "UNION ALL SELECT id, priority FROM jobs WHERE tenant_id = @tenant_id AND status IN (0, 5)";

    private const string CountSql = $"""
        SELECT count(*) FROM (
            SELECT 1 FROM ({InLineSql} {OthersSql}) j JOIN job_payloads p ON p.job_id = j.id AND p.key_id = @key_id LIMIT @most) waiting
        """;

    // Priority 2 is batch.
    private const string CountInLineSql = $"""
        SELECT count(*) FROM (
            SELECT 1 FROM ({InLineSql}) j JOIN job_payloads p ON p.job_id = j.id AND p.key_id = @key_id
             WHERE j.priority < 2 LIMIT @most) waiting
        """;

    private readonly ConcurrentDictionary<(string KeyId, KeyLimitKind Kind), Allowance> _allowances = new();
    private readonly ConcurrentDictionary<(string KeyId, bool IsOwn), KeyQueue> _queues = new();
    private readonly SemaphoreSlim _counting = new(CountsAtOnce);

    /// <summary>Asks for leave to submit work, and takes it when there is.</summary>
    /// <param name="caller">Whose key.</param>
    /// <param name="tokens">What the work is likely to use.</param>
    /// <param name="queue">How many of its jobs may wait; null where any number may, or this work waits in no line.</param>
    public async ValueTask<KeyLimitState> TakeAsync(Caller caller, long tokens, QueueLimit? queue = null)
    {
        var limits = caller.Limits;
        var requests = limits.RequestsPerMinute is null ? null : AllowanceOf(caller, KeyLimitKind.Requests);
        var budget = limits.TokensPerMinute is null ? null : AllowanceOf(caller, KeyLimitKind.Tokens);
        if (requests is not null && !await requests.TryTakeAsync(1, limits.RequestsPerMinute!.Value))
        {
            return Refuse(
                "requests_per_minute",
                limits.RequestsPerMinute.Value,
                requests.Describe(limits.RequestsPerMinute.Value).ResetsIn
            );
        }

        if (budget is not null && !await budget.TryTakeAsync(tokens, limits.TokensPerMinute!.Value))
        {
            requests?.GiveBack(1);
            return Refuse("tokens_per_minute", limits.TokensPerMinute.Value, budget.Describe(limits.TokensPerMinute.Value).ResetsIn);
        }

        if (queue is { Most: var most, IsOwn: var isOwn } && !await QueueOf(caller, isOwn).TryEnterAsync(most, isOwn))
        {
            requests?.GiveBack(1);
            budget?.GiveBack(Math.Min(tokens, limits.TokensPerMinute ?? 0));
            return Refuse("max_queued", most, FullPause);
        }

        return Describe();

        KeyLimitState Describe() =>
            new(requests?.Describe(limits.RequestsPerMinute!.Value), budget?.Describe(limits.TokensPerMinute!.Value));

        KeyLimitState Refuse(string limit, long most, TimeSpan wait) =>
            Describe() with
            {
                Exceeded = limit,
                Most = most,
                RetryAfter = wait > TimeSpan.FromSeconds(1) ? wait : TimeSpan.FromSeconds(1),
            };
    }

    private Allowance AllowanceOf(Caller caller, KeyLimitKind kind)
    {
        if (_allowances.Count >= MaxKnown)
        {
            // What they hold is lost to their keys until the minute is over, which lets in less and never more.
            _allowances.Clear();
        }

        return _allowances.GetOrAdd(
            (caller.KeyId, kind),
            place => new Allowance(
                (wanted, least, limit) => TakeAsync(caller.TenantId, place.KeyId, place.Kind, wanted, least, limit),
                clock
            )
        );
    }

    private KeyQueue QueueOf(Caller caller, bool isOwn)
    {
        if (_queues.Count >= MaxKnown)
        {
            _queues.Clear();
        }

        var sql = isOwn ? CountSql : CountInLineSql;
        return _queues.GetOrAdd(
            (caller.KeyId, isOwn),
            place => new KeyQueue(most => CountAsync(sql, caller.TenantId, place.KeyId, most), clock)
        );
    }

    private async Task<(long Granted, long LeftOver, TimeSpan EndsIn)> TakeAsync(
        Guid tenantId,
        string keyId,
        KeyLimitKind kind,
        long wanted,
        long least,
        long limit
    )
    {
        await using var command = database.CreateCommand(TakeSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("key_id", keyId);
        command.Parameters.AddWithValue("kind", (short)kind);
        command.Parameters.AddWithValue("wanted", wanted);
        command.Parameters.AddWithValue("least", least);
        command.Parameters.AddWithValue("limit", limit);
        // None: others wait for the same answer; the limit of every statement bounds it.
        return (await command.ReadAllAsync(row => (row.GetInt64(0), row.GetInt64(1), row.GetTimeSpan(2)), CancellationToken.None))[0];
    }

    private async Task<long> CountAsync(string sql, Guid tenantId, string keyId, long most)
    {
        // None here too: others wait for the same count.
        await _counting.WaitAsync(CancellationToken.None);
        try
        {
            await using var command = ordinary.CreateCommandFor(tenantId, sql);
            command.Parameters.AddWithValue("tenant_id", tenantId);
            command.Parameters.AddWithValue("key_id", keyId);
            command.Parameters.AddWithValue("most", most);
            return (long)(await command.ExecuteScalarAsync(CancellationToken.None))!;
        }
        finally
        {
            _counting.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose() => _counting.Dispose();
}
