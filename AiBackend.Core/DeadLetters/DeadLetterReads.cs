using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters;

/// <summary>Which dead letters are meant. Every member narrows; null does not.</summary>
public sealed record DeadLetterFilter
{
    /// <summary>Only this cause.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>Only this class of errors.</summary>
    public string? Class { get; init; }

    /// <summary>Only this error code.</summary>
    public string? Code { get; init; }

    /// <summary>Only jobs for this model.</summary>
    public string? Model { get; init; }

    /// <summary>Only jobs that died at or after this moment.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Only jobs that died before this moment.</summary>
    public DateTimeOffset? Before { get; init; }

    /// <summary>The filter as conditions of SQL on the open letters <c>d</c>, with the parameters of <see cref="AddTo"/>.</summary>
    internal const string OpenLetters = """
        d.replayed_by IS NULL AND d.discarded_at IS NULL AND d.fingerprint IS NOT NULL
           AND (@fingerprint IS NULL OR d.fingerprint = @fingerprint) AND (@class IS NULL OR d.class = @class)
           AND (@code IS NULL OR d.code = @code) AND (@model IS NULL OR d.model = @model)
           AND (@since IS NULL OR d.at >= @since) AND (@until IS NULL OR d.at < @until)
        """;

    internal void AddTo(NpgsqlParameterCollection parameters)
    {
        parameters.AddWithValue("fingerprint", NpgsqlDbType.Text, (object?)Fingerprint ?? DBNull.Value);
        parameters.AddWithValue("class", NpgsqlDbType.Text, (object?)Class ?? DBNull.Value);
        parameters.AddWithValue("code", NpgsqlDbType.Text, (object?)Code ?? DBNull.Value);
        parameters.AddWithValue("model", NpgsqlDbType.Text, (object?)Model ?? DBNull.Value);
        parameters.AddWithValue("since", NpgsqlDbType.TimestampTz, (object?)Since?.ToUniversalTime() ?? DBNull.Value);
        parameters.AddWithValue("until", NpgsqlDbType.TimestampTz, (object?)Before?.ToUniversalTime() ?? DBNull.Value);
    }
}

/// <summary>A place among groups: after it the next page begins.</summary>
/// <param name="FirstSeenAt">When the last shown cause was first seen.</param>
/// <param name="Fingerprint">That cause.</param>
public readonly record struct GroupPlace(DateTimeOffset FirstSeenAt, string Fingerprint);

/// <summary>Reads open dead letters. Every read names its tenant.</summary>
public sealed class DeadLetterReads(NpgsqlDataSource database)
{
    private const string GroupsSql = $"""
        SELECT g.fingerprint, g.class, g.code, g.shape, o.count, g.first_seen_at, g.last_seen_at, o.oldest_at, s.job_id, s.message, s.model
          FROM dead_letter_groups g
          CROSS JOIN LATERAL (
              SELECT count(*) AS count, min(d.at) AS oldest_at FROM dead_letters d
               WHERE d.tenant_id = g.tenant_id AND d.fingerprint = g.fingerprint AND {DeadLetterFilter.OpenLetters}) o
          CROSS JOIN LATERAL (
              SELECT d.job_id, d.message, d.model FROM dead_letters d
               WHERE d.tenant_id = g.tenant_id AND d.fingerprint = g.fingerprint AND {DeadLetterFilter.OpenLetters}
               ORDER BY d.job_id DESC LIMIT 1) s
         WHERE g.tenant_id = @tenant_id AND (g.first_seen_at, g.fingerprint) < (@after_at, @after_fingerprint)
           AND (@class IS NULL OR g.class = @class) AND (@code IS NULL OR g.code = @code)
         ORDER BY g.first_seen_at DESC, g.fingerprint DESC LIMIT @limit
        """;

    private const string LettersSql = $"""
        SELECT d.job_id, d.fingerprint, d.class, d.code, d.message, d.model, p.title, d.at, d.replayed_by, d.discarded_at, d.closed_by
          FROM dead_letters d LEFT JOIN job_payloads p ON p.job_id = d.job_id
         WHERE d.tenant_id = @tenant_id AND d.job_id < @before AND {DeadLetterFilter.OpenLetters}
         ORDER BY d.job_id DESC LIMIT @limit
        """;

    private const string OneSql = """
        SELECT d.job_id, d.fingerprint, d.class, d.code, d.message, d.model, p.title, d.at, d.replayed_by, d.discarded_at, d.closed_by
          FROM dead_letters d LEFT JOIN job_payloads p ON p.job_id = d.job_id
         WHERE d.tenant_id = @tenant_id AND d.job_id = @job_id
        """;

    /// <returns>Groups with at least one open letter that matches, the one first seen last first.</returns>
    public async Task<IReadOnlyList<DeadLetterGroup>> ListGroupsAsync(
        Guid tenantId,
        DeadLetterFilter filter,
        GroupPlace? after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, GroupsSql);
        filter.AddTo(command.Parameters);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("after_at", NpgsqlDbType.TimestampTz, after?.FirstSeenAt ?? DateTimeOffset.MaxValue);
        command.Parameters.AddWithValue("after_fingerprint", after?.Fingerprint ?? "");
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(ReadGroup, cancellationToken);
    }

    /// <returns>Open letters, newest job first.</returns>
    public async Task<IReadOnlyList<DeadLetter>> ListAsync(
        Guid tenantId,
        DeadLetterFilter filter,
        Guid? before,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, LettersSql);
        filter.AddTo(command.Parameters);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("before", before ?? Guid.AllBitsSet);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(ReadLetter, cancellationToken);
    }

    /// <returns>The letter, open or closed; null when the tenant has none of this job.</returns>
    public async Task<DeadLetter?> FindAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, OneSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        return await command.ReadAllAsync(ReadLetter, cancellationToken) is [var letter] ? letter : null;
    }

    private static DeadLetterGroup ReadGroup(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.GetInt64(4),
            row.GetFieldValue<DateTimeOffset>(5),
            row.GetFieldValue<DateTimeOffset>(6),
            row.GetFieldValue<DateTimeOffset>(7),
            new DeadLetterSample(row.GetGuid(8), row.Text(9) ?? "", row.Text(10) ?? "")
        );

    private static DeadLetter ReadLetter(NpgsqlDataReader row) =>
        new()
        {
            JobId = row.GetGuid(0),
            Fingerprint = row.Text(1),
            Class = row.GetString(2),
            Code = row.GetString(3),
            Message = row.Text(4),
            Model = row.Text(5),
            Title = row.Text(6),
            At = row.GetFieldValue<DateTimeOffset>(7),
            ReplayedBy = row.Id(8),
            DiscardedAt = row.Moment(9),
            ClosedBy = row.Text(10),
        };
}
