using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Events;

/// <summary>Reads job event logs.</summary>
public interface IJobEventLog
{
    /// <returns>Events after a number, in order, at most <paramref name="limit"/> and hardly more bytes than <see cref="EventPage.Bytes"/>.</returns>
    Task<EventPage> ReadAsync(Guid tenantId, Guid jobId, int after, int limit, CancellationToken cancellationToken);

    /// <returns>Whether the job has ended and its last event is at most <paramref name="after"/>: nothing can follow.</returns>
    Task<bool> HasEndedByAsync(Guid tenantId, Guid jobId, int after, CancellationToken cancellationToken);

    /// <returns>The latest event of each of these jobs.</returns>
    Task<IReadOnlyDictionary<Guid, LatestEvent>> ReadLatestAsync(Guid[] jobIds, CancellationToken cancellationToken);
}

/// <param name="Seq">Its number.</param>
/// <param name="HasEnded">Whether it is the job's last.</param>
public readonly record struct LatestEvent(int Seq, bool HasEnded);

/// <summary>A piece of a log.</summary>
/// <param name="Events">In order.</param>
/// <param name="IsFull">Whether it ended because it was full: more may follow.</param>
public sealed record EventPage(IReadOnlyList<JobEventRecord> Events, bool IsFull)
{
    /// <summary>A page ends with the event that reaches this size: a reader that stands still holds a page, and there may be thousands.</summary>
    public const int Bytes = 64 * 1024;
}

internal sealed class JobEventLog(
    [FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource hot,
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource allTenants,
    StoredShapes? shapes = null
) : IJobEventLog
{
    private readonly StoredShapes _shapes = shapes ?? StoredShapes.Current;

    private const string PageSql = """
        SELECT job_id, seq, kind, data, schema_version, size_with >= @bytes
          FROM (SELECT *, sum(octet_length(data)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS size_with
                  FROM job_events WHERE job_id = @job_id AND seq > @after ORDER BY seq LIMIT @limit) page
         WHERE size_with - octet_length(data) < @bytes ORDER BY seq
        """;

    private const string EndedSql = "SELECT 1 FROM jobs WHERE id = @id AND status::int >= 6 AND last_seq <= @after";

    private static readonly string ActingPageSql = TenantWall.ActingFor(PageSql);
    private static readonly string ActingEndedSql = TenantWall.ActingFor(EndedSql);

    private const string LatestSql = "SELECT id, last_seq, status::int >= 6 FROM jobs WHERE id = ANY (@ids)";

    public async Task<EventPage> ReadAsync(Guid tenantId, Guid jobId, int after, int limit, CancellationToken cancellationToken)
    {
        await using var read = await HotCommand.OpenForAsync(
            hot,
            tenantId,
            ActingPageSql,
            parameters =>
            {
                parameters.AddWithValue("job_id", jobId);
                parameters.AddWithValue("after", after);
                parameters.AddWithValue("limit", limit);
                parameters.AddWithValue("bytes", EventPage.Bytes);
            },
            cancellationToken
        );
        await using var reader = await read.Command.ExecuteReaderAsync(cancellationToken);
        var events = new List<JobEventRecord>();
        var isFull = false;
        while (await reader.ReadAsync(cancellationToken))
        {
            events.Add(reader.ReadStoredEvent(_shapes));
            isFull = reader.GetBoolean(5);
        }

        return new(events, isFull || events.Count == limit);
    }

    public async Task<bool> HasEndedByAsync(Guid tenantId, Guid jobId, int after, CancellationToken cancellationToken)
    {
        await using var read = await HotCommand.OpenForAsync(
            hot,
            tenantId,
            ActingEndedSql,
            parameters =>
            {
                parameters.AddWithValue("id", jobId);
                parameters.AddWithValue("after", after);
            },
            cancellationToken
        );
        return await read.Command.ExecuteScalarAsync(cancellationToken) is not null;
    }

    public async Task<IReadOnlyDictionary<Guid, LatestEvent>> ReadLatestAsync(Guid[] jobIds, CancellationToken cancellationToken)
    {
        await using var command = allTenants.CreateCommand(LatestSql);
        command.Parameters.AddWithValue("ids", jobIds);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var latest = new Dictionary<Guid, LatestEvent>(jobIds.Length);
        while (await reader.ReadAsync(cancellationToken))
        {
            latest[reader.GetGuid(0)] = new(reader.GetInt32(1), reader.GetBoolean(2));
        }

        return latest;
    }
}
