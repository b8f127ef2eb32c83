using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Order;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Queue.Limits;

/// <summary>Lets jobs that wait for a provider's limit go on as soon as there is room, in fair order: the leader's part.</summary>
/// <remarks>
/// A limit is shared as slots are (<see cref="FairLine"/>): by level, between tenants by what they have had under this limit for their
/// weight, and what has waited for limits too long has its turns. How much room there is: see 0066_shared_limits.sql.
/// </remarks>
public sealed class ReleaseLimitedJobs(
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds,
    QueueTiers tiers,
    TimeProvider clock,
    IOptions<QueueOptions> options
)
{
    // The next look is a quarter of a second later.
    private const int MostAtOnce = 500;

    // Of every limit; with so many tenants each shows that many fewer of its jobs.
    private const int MostSeen = 20_000;

    private const string RoomSql = "SELECT name, reasons, places FROM room_under_limits() WHERE places > 0";

    // The first rows of each tenant. What an operator holds back would take its place and not go.
    private static readonly string HeadsSql = $"""
        SELECT k.number, h.id, k.tenant_id, coalesce(t.tier, '{QueueTiers.Standard}'), k.priority, h.expected_length, h.expected_tokens, h.waited, h.model
          FROM (SELECT r.number, r.reason, p.priority, a.tenant_id, least(r.places, greatest(1, @seen / count(*) OVER ()))::integer AS most
                  FROM unnest(@numbers, @reasons, @places) AS r (number, reason, places)
                 CROSS JOIN unnest(ARRAY[0, 1, 2]::smallint[]) AS p (priority)
                 CROSS JOIN LATERAL (
                       SELECT b.tenant_id FROM limited_tenants(r.reason, p.priority) AS b (tenant_id) WHERE {HeldJobs.NoneOfKind(
            "b.tenant_id",
            "NULL"
        )}) a) k
         CROSS JOIN LATERAL (
               SELECT j.id, j.expected_length, j.expected_tokens, now() - coalesce(j.limited_since, j.due_at) AS waited, j.model
                 FROM jobs j
                WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = k.reason AND j.priority = k.priority
                  AND j.tenant_id = k.tenant_id AND j.due_at > now() AND {HeldJobs.None("j")}
                ORDER BY j.id LIMIT k.most) h
          LEFT JOIN tenants t ON t.id = k.tenant_id
        """;

    // Without the status in the innermost: it would invite the planner to jobs_due, where all who wait for anything stand.
    private const string ReleaseSql = """
        UPDATE jobs j SET due_at = now()
         WHERE j.status = 5
           AND j.id IN (SELECT l.id FROM jobs l WHERE l.id = ANY (@ids) AND l.waiting_reason LIKE 'rate_limit:%' AND l.due_at > now() FOR UPDATE SKIP LOCKED)
        """;

    // From being let go on to the call, or to the refusal.
    private static readonly TimeSpan OnItsWay = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, FairLine> _lines = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, long> _charged = [];

    /// <returns>How many go on.</returns>
    public Task<int> RunAsync(CancellationToken cancellationToken) => TransientRetry.RunAsync(RunOnceAsync, cancellationToken);

    private async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        var limits = await ReadRoomAsync(cancellationToken);
        if (limits.Count == 0)
        {
            return 0;
        }

        foreach (var (id, _) in _charged.Where(job => clock.GetElapsedTime(job.Value) > OnItsWay))
        {
            _charged.Remove(id);
        }

        var waiting = await ReadHeadsAsync(limits, cancellationToken);
        var next = waiting.SelectMany(line => Pick(limits[line.Key], [.. line])).ToArray();
        return next.Length == 0 ? 0 : await ReleaseAsync(next, cancellationToken);
    }

    private IEnumerable<Guid> Pick(Limit limit, IReadOnlyCollection<Head> heads)
    {
        if (!_lines.TryGetValue(limit.Name, out var line))
        {
            _lines.Add(limit.Name, line = new(options.Value.AgeUpAfter, tiers.WeightOf));
        }

        // Who was let go on and refused again has been charged for that.
        var jobs = heads.Select(head => _charged.ContainsKey(head.Job.Id) ? head.Job with { Tokens = 0 } : head.Job);
        foreach (var job in line.Pick([.. jobs], Capacity.Unknown, limit.Places))
        {
            _charged.TryAdd(job.Id, clock.GetTimestamp());
            yield return job.Id;
        }
    }

    private async Task<List<Limit>> ReadRoomAsync(CancellationToken cancellationToken)
    {
        await using var command = rounds.CreateCommand(RoomSql);
        return
        [
            .. await command.ReadAllAsync(
                row => new Limit(row.GetString(0), row.GetFieldValue<string[]>(1), (int)Math.Min(row.GetInt64(2), MostAtOnce)),
                cancellationToken
            ),
        ];
    }

    private async Task<ILookup<int, Head>> ReadHeadsAsync(List<Limit> limits, CancellationToken cancellationToken)
    {
        var reasons = limits.SelectMany((limit, number) => limit.Reasons.Select(reason => (number, reason, limit.Places))).ToList();
        await using var hot = await HotCommand.OpenAsync(
            rounds,
            HeadsSql,
            parameters =>
            {
                parameters.AddColumn("numbers", NpgsqlDbType.Integer, reasons, each => each.number);
                parameters.AddColumn("reasons", NpgsqlDbType.Text, reasons, each => each.reason);
                parameters.AddColumn("places", NpgsqlDbType.Integer, reasons, each => each.Places);
                parameters.AddWithValue("seen", NpgsqlDbType.Integer, MostSeen);
            },
            cancellationToken
        );
        return (await hot.Command.ReadAllAsync(ReadHead, cancellationToken)).ToLookup(head => head.Number);
    }

    private async Task<int> ReleaseAsync(Guid[] ids, CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(
            rounds,
            ReleaseSql,
            parameters => parameters.AddWithValue("ids", NpgsqlDbType.Array | NpgsqlDbType.Uuid, ids),
            cancellationToken
        );
        return await hot.Command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static Head ReadHead(NpgsqlDataReader row) =>
        new(
            row.GetInt32(0),
            new WaitingJob(
                row.GetGuid(1),
                row.GetGuid(2),
                row.GetString(3),
                (JobPriority)row.GetInt16(4),
                row.GetInt16(5),
                row.GetInt32(6),
                row.GetTimeSpan(7),
                row.GetString(8)
            )
        );

    /// <param name="Name">The deployment, or its pace.</param>
    /// <param name="Reasons">What its jobs say they wait for.</param>
    /// <param name="Places">How many may go on.</param>
    private readonly record struct Limit(string Name, string[] Reasons, int Places);

    private readonly record struct Head(int Number, WaitingJob Job);
}
