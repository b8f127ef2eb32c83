using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Npgsql;

namespace AiBackend.Core.Queue.Outlook;

/// <summary>Tells callers about when a job may start that a provider's limit keeps waiting. In memory, a second or two old.</summary>
public sealed class LimitOutlook
{
    // Older, nobody leads, or nobody waits any more.
    private const string Sql = """
        SELECT name, reason, models, levels, tenants, tiers, waiting, slot_seconds, leaving, per_second, blocked_seconds
          FROM limit_outlook WHERE at > now() - interval '5 seconds'
        """;

    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(1);

    private readonly NpgsqlDataSource _database;
    private readonly QueueTiers _tiers;
    private readonly BackgroundRefresh _refresh;
    private IReadOnlyDictionary<string, LimitLine> _known = new Dictionary<string, LimitLine>(StringComparer.Ordinal);

    /// <summary>Reads when it is first asked.</summary>
    public LimitOutlook(NpgsqlDataSource database, QueueTiers tiers, TimeProvider clock)
    {
        (_database, _tiers) = (database, tiers);
        _refresh = new(RefreshAsync, MaxAge, clock, failed: Forget);
    }

    /// <summary>What the caller of a new job is told: who asks for what others wait for waits behind them. Null when nobody waits.</summary>
    public QueuePlace? Foresee(Guid tenantId, string model, JobPriority level) =>
        Latest().Values.FirstOrDefault(line => line.Models.Contains(model)) is { } line
            ? Describe(line, tenantId, level, line.CountOf(tenantId, level), line.Reason)
            : null;

    /// <summary>What the caller of a job is told that was stopped by a limit just now; null when nothing is known.</summary>
    public QueuePlace? Describe(Guid tenantId, JobPriority level, string reason) =>
        Find(reason) is { } line ? Describe(line, tenantId, level, line.CountOf(tenantId, level), reason) : null;

    /// <summary>The place among all, of a job with its place among its tenant's; without a place when nothing is known.</summary>
    public QueuePlace Describe(Guid tenantId, JobPriority level, QueuePlace own) =>
        own is { Position: { } before, WaitingReason: { } reason } && Find(reason) is { } line
            ? Describe(line, tenantId, level, before, reason)
            : own with
            {
                Position = null,
            };

    /// <summary>Reads what the leader has written.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await using var command = _database.CreateCommand(Sql);
        var rows = await command.ReadAllAsync(row => (Name: row.GetString(0), Line: Read(row)), cancellationToken);
        Volatile.Write(ref _known, rows.ToDictionary(row => row.Name, row => row.Line, StringComparer.Ordinal));
    }

    private static QueuePlace Describe(LimitLine line, Guid tenantId, JobPriority level, long own, string reason)
    {
        var ahead = line.Ahead(tenantId, level, own);
        return line.After(ahead) is { } after
            ? new QueuePlace(ahead, Math.Round(after.P50, 2), Math.Round(after.P90, 2), reason)
            : new QueuePlace(ahead, null, null, reason);
    }

    private LimitLine? Find(string reason) => Latest().GetValueOrDefault(WaitingReasons.LimitOf(reason));

    private IReadOnlyDictionary<string, LimitLine> Latest()
    {
        _refresh.Begin();
        return Volatile.Read(ref _known);
    }

    // Nothing is told that is not known.
    private void Forget() => Volatile.Write(ref _known, new Dictionary<string, LimitLine>(StringComparer.Ordinal));

    private LimitLine Read(NpgsqlDataReader row)
    {
        var (levels, tenants) = (row.GetFieldValue<short[]>(3), row.GetFieldValue<Guid[]>(4));
        var (tiers, waiting) = (row.GetFieldValue<string[]>(5), row.GetFieldValue<int[]>(6));
        return new LimitLine(
            row.GetString(1),
            row.GetFieldValue<string[]>(2).ToHashSet(StringComparer.Ordinal),
            [
                .. levels.Select(
                    (level, number) => new LimitedJobs((JobPriority)level, tenants[number], _tiers.WeightOf(tiers[number]), waiting[number])
                ),
            ],
            row.GetDouble(7),
            row.GetFieldValue<long[]>(8),
            row.GetDouble(9),
            row.GetDouble(10)
        );
    }
}
