using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Estimates;
using Npgsql;

namespace AiBackend.Core.Queue.Outlook;

/// <summary>Tells callers about how many jobs are ahead and about when theirs may start. In memory, a second or two old.</summary>
public sealed class LineOutlook
{
    // Older, nobody leads, and what was true then says nothing.
    private const string Sql = """
        SELECT slots, per_second, waiting FROM line_outlook WHERE at > now() - interval '10 seconds'
        """;

    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(1);

    private readonly NpgsqlDataSource _database;
    private readonly JobEstimates _estimates;
    private readonly LimitOutlook _limits;
    private readonly BackgroundRefresh _refresh;
    private Known? _known;

    /// <summary>Reads when it is first asked.</summary>
    public LineOutlook(NpgsqlDataSource database, JobEstimates estimates, LimitOutlook limits, TimeProvider clock)
    {
        (_database, _estimates, _limits) = (database, estimates, limits);
        // Nothing is told that is not known.
        _refresh = new(RefreshAsync, MaxAge, clock, failed: () => Volatile.Write(ref _known, null));
    }

    /// <summary>The draft with what its caller is told; as it was when nothing waits, or nothing is known.</summary>
    public JobDraft Foresee(JobDraft draft) =>
        draft.NotBefore is null && draft.Type.IsOfModel() && _limits.Foresee(draft.TenantId, draft.Model, draft.Priority) is { } place
            ? draft with
            {
                Place = place,
            }
            : ForeseeSlot(draft);

    private JobDraft ForeseeSlot(JobDraft draft) =>
        draft is { Pool: JobDraft.DefaultPool, NotBefore: null }
        && Latest() is { } known
        && known.Waiting.Take((int)draft.Priority + 1).Sum() is > 0 and var ahead
            ? draft with
            {
                Place = Describe(known, ahead, draft.TenantId, draft.Model, draft.Feature),
            }
            : draft;

    /// <summary>The job with about when it starts, if it waits for a slot or a provider's limit.</summary>
    public Job Describe(Job job, Guid tenantId) =>
        job is { Status: JobStatuses.Retrying, Queue: { WaitingReason: { } reason } own } && WaitingReasons.IsLimit(reason)
            ? job with
            {
                Queue = _limits.Describe(tenantId, PriorityOf(job), own),
            }
            : DescribeSlot(job, tenantId);

    private static JobPriority PriorityOf(Job job) => JobTraitNames.TryParsePriority(job.Priority, out var level) ? level : default;

    private Job DescribeSlot(Job job, Guid tenantId) =>
        job is { Status: JobStatuses.Queued, Queue: { Position: { } ahead, EtaP50: null, WaitingReason: WaitingReasons.Capacity } place }
        && Latest() is { } known
        && Describe(known, ahead, tenantId, job.Model, job.Feature) is { } described
            ? job with
            {
                Queue = place with { EtaP50 = described.EtaP50, EtaP90 = described.EtaP90 },
            }
            : job;

    /// <summary>Reads what the leader has written.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await using var command = _database.CreateCommand(Sql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        Volatile.Write(ref _known, await reader.ReadAsync(cancellationToken) ? Read(reader) : null);
    }

    private QueuePlace? Describe(Known known, long ahead, Guid tenantId, string model, string? feature)
    {
        // Before anything has ended, what is known of such jobs.
        var perSecond =
            known.PerSecond > 0.001 ? known.PerSecond
            : _estimates.Find(tenantId, model, feature) is { RunP50: > 0 and var run } ? known.Slots / run
            : 0;
        if (perSecond <= 0)
        {
            return new QueuePlace(ahead, null, null, WaitingReasons.Capacity);
        }

        var (p50, p90) = Forecast.Of(ahead, perSecond);
        return new QueuePlace(ahead, Math.Round(p50, 2), Math.Round(p90, 2), WaitingReasons.Capacity);
    }

    private Known? Latest()
    {
        _refresh.Begin();
        return Volatile.Read(ref _known);
    }

    private static Known Read(NpgsqlDataReader row) => new(row.GetInt32(0), row.GetDouble(1), row.GetFieldValue<int[]>(2));

    private sealed record Known(int Slots, double PerSecond, int[] Waiting);
}
