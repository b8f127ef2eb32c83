using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters.Bulk;

/// <summary>The open letters a bulk action takes.</summary>
/// <param name="TenantId">Whose letters.</param>
/// <param name="Filter">Which of them.</param>
/// <param name="Ids">Only these; null does not narrow.</param>
public sealed record BulkSelection(Guid TenantId, DeadLetterFilter Filter, IReadOnlyList<Guid>? Ids)
{
    internal const string Letters = $"""
        dead_letters d WHERE d.tenant_id = @tenant_id AND (@ids IS NULL OR d.job_id = ANY (@ids)) AND {DeadLetterFilter.OpenLetters}
        """;

    internal void AddTo(NpgsqlParameterCollection parameters)
    {
        Filter.AddTo(parameters);
        parameters.AddWithValue("tenant_id", TenantId);
        parameters.AddWithValue("ids", NpgsqlDbType.Array | NpgsqlDbType.Uuid, (object?)Ids?.ToArray() ?? DBNull.Value);
    }
}

/// <summary>Says what a bulk action would do.</summary>
public sealed class PreviewBulkAction(NpgsqlDataSource database)
{
    private const string Sql = $"""
        SELECT count(*), count(u.input_tokens), coalesce(sum(u.input_tokens), 0)::bigint, coalesce(sum(u.output_tokens), 0)::bigint,
               count(u.cost_usd), sum(u.cost_usd)
          FROM (SELECT d.job_id FROM {BulkSelection.Letters} LIMIT @max + 1) c
          LEFT JOIN LATERAL (SELECT sum(a.input_tokens) AS input_tokens, sum(a.output_tokens) AS output_tokens, sum(a.cost_usd) AS cost_usd
                               FROM job_attempts a WHERE a.job_id = c.job_id) u ON true
        """;

    /// <returns>
    /// Count, tokens and cost; nothing is changed. Beyond what one action may take nothing is counted: a count above
    /// <see cref="BeginBulkAction.MaxLetters"/> says that it would be refused.
    /// </returns>
    public async Task<BulkPreview> RunAsync(BulkSelection selection, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(selection.TenantId, Sql);
        selection.AddTo(command.Parameters);
        command.Parameters.AddWithValue("max", BeginBulkAction.MaxLetters);
        return (await command.ReadAllAsync(Read, cancellationToken))[0];
    }

    private static BulkPreview Read(NpgsqlDataReader row) =>
        new(
            row.GetInt64(0),
            row.GetInt64(1),
            row.GetInt64(2),
            row.GetInt64(3),
            row.GetInt64(4),
            row.IsDBNull(5) ? null : row.GetDecimal(5)
        );
}
