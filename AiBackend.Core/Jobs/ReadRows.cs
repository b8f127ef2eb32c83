using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Versions;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>Row shapes that several statements return.</summary>
internal static class ReadRows
{
    /// <summary>Reads rows of one uuid.</summary>
    public static async Task<Guid[]> ReadIdsAsync(this NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var ids = new List<Guid>();
        while (await reader.ReadAsync(cancellationToken))
        {
            ids.Add(reader.GetGuid(0));
        }

        return [.. ids];
    }

    /// <summary>Reads rows of (job_id, seq, kind, data).</summary>
    public static async Task<IReadOnlyList<JobEventRecord>> ReadEventsAsync(this NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadEventsAsync(cancellationToken);
    }

    /// <summary>Reads rows of (job_id, seq, kind, data, schema_version) in the shape of this version.</summary>
    public static async Task<IReadOnlyList<JobEventRecord>> ReadStoredEventsAsync(
        this NpgsqlCommand command,
        StoredShapes shapes,
        CancellationToken cancellationToken
    )
    {
        return await command.ReadAllAsync(row => row.ReadStoredEvent(shapes), cancellationToken);
    }

    /// <summary>Reads the rest of a result of rows of (job_id, seq, kind, data).</summary>
    public static async Task<IReadOnlyList<JobEventRecord>> ReadEventsAsync(
        this NpgsqlDataReader reader,
        CancellationToken cancellationToken
    )
    {
        var events = new List<JobEventRecord>();
        while (await reader.ReadAsync(cancellationToken))
        {
            events.Add(reader.ReadEvent());
        }

        return events;
    }

    /// <summary>Reads (job_id, seq, kind, data, schema_version) in the shape of this version.</summary>
    public static JobEventRecord ReadStoredEvent(this NpgsqlDataReader row, StoredShapes shapes) =>
        shapes.Events.Read(row.GetInt16(4), row.ReadEvent());

    /// <summary>Reads (job_id, seq, kind, data), of which job_id is column <paramref name="first"/>.</summary>
    public static JobEventRecord ReadEvent(this NpgsqlDataReader row, int first = 0) =>
        new(row.GetGuid(first), row.GetInt32(first + 1), (JobEventKind)row.GetInt16(first + 2), row.GetFieldValue<byte[]>(first + 3));
}
