using AiBackend.ApiContracts.Operations;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Npgsql;

namespace AiBackend.Core.Prompts;

/// <summary>How versions of prompts fare, from the jobs themselves.</summary>
public sealed class PromptStatisticsReads(NpgsqlDataSource database, TimeProvider clock)
{
    private static readonly TimeSpan Window = TimeSpan.FromDays(30);

    private const string Sql = """
        SELECT prompt_of(p.terms), count(*), count(*) FILTER (WHERE j.status IN (6, 7)), count(*) FILTER (WHERE j.status = 8),
               count(a.first), count(*) FILTER (WHERE a.first ->> 'verdict' = 'valid' AND a.first -> 'repaired' = '[]'::jsonb),
               coalesce(sum(a.cost_usd), 0), coalesce(sum(a.input_tokens), 0)::bigint, coalesce(sum(a.output_tokens), 0)::bigint,
               percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM j.finished_at - j.started_at)::float8)
          FROM job_payloads p
          JOIN jobs j ON j.id = p.job_id
          LEFT JOIN LATERAL (SELECT (array_agg(first_check(t.checks) ORDER BY t.attempt) FILTER (WHERE t.checks IS NOT NULL))[1] AS first,
                                    sum(t.cost_usd) AS cost_usd, sum(t.input_tokens) AS input_tokens, sum(t.output_tokens) AS output_tokens
                               FROM job_attempts t WHERE t.job_id = p.job_id) a ON true
         WHERE p.tenant_id = @tenant_id AND prompt_of(p.terms) = ANY (@pins) AND p.job_id >= @from
         GROUP BY 1
        """;

    /// <returns>The versions with what became of their jobs.</returns>
    public async Task<IReadOnlyList<PromptVersion>> AddToAsync(
        Guid tenantId,
        IReadOnlyList<PromptVersion> versions,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, Sql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("pins", versions.Select(PinOf).ToArray());
        command.Parameters.AddWithValue("from", JobIds.FirstOf(clock.GetUtcNow() - Window));
        var found = (await command.ReadAllAsync(Read, cancellationToken)).ToDictionary(StringComparer.Ordinal);
        var none = new PromptStatistics(0, 0, 0, 0, 0, 0, 0, 0, null);
        return [.. versions.Select(version => version with { Statistics = found.GetValueOrDefault(PinOf(version), none) })];
    }

    private static string PinOf(PromptVersion version) => PromptNames.Pin(version.Name, version.Version);

    private static (string Pin, PromptStatistics Statistics) Read(NpgsqlDataReader row) =>
        (
            row.GetString(0),
            new PromptStatistics(
                row.GetInt64(1),
                row.GetInt64(2),
                row.GetInt64(3),
                row.GetInt64(4),
                row.GetInt64(5),
                row.GetDecimal(6),
                row.GetInt64(7),
                row.GetInt64(8),
                !row.IsDBNull(9) && row.GetFieldValue<double?[]>(9) is [{ } p50, { } p95, { } p99] ? new Percentiles(p50, p95, p99) : null
            )
        );
}
