using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Money;

/// <summary>Reads the calls of a job as the ledger has them.</summary>
public sealed class LedgerReads(NpgsqlDataSource database)
{
    private const int MaxListed = 1000;

    private const string Sql = """
        SELECT lease_epoch, call, provider, model, state, price_version, reserved_usd, cost_usd, input_tokens, cached_tokens, output_tokens,
               reasoning_tokens, reserved_at, ended_at, usage_disputed
          FROM provider_calls WHERE job_id = @job_id AND tenant_id = @tenant_id ORDER BY lease_epoch, call LIMIT @limit
        """;

    /// <returns>Oldest first, at most 1000.</returns>
    public async Task<IReadOnlyList<LedgerEntry>> OfAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, Sql);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("limit", MaxListed);
        return await command.ReadAllAsync(row => Read(jobId, row), cancellationToken);
    }

    private static LedgerEntry Read(Guid jobId, NpgsqlDataReader row)
    {
        decimal? Amount(int ordinal) => row.IsDBNull(ordinal) ? null : row.GetDecimal(ordinal);
        long? Number(int ordinal) => row.IsDBNull(ordinal) ? null : row.GetInt64(ordinal);

        return new LedgerEntry
        {
            Call = FormattableString.Invariant($"{jobId}-{row.GetInt32(0)}-{row.GetInt16(1)}"),
            Provider = row.GetString(2),
            Model = row.GetString(3),
            State = ((CallState)row.GetInt16(4)).ToWire(),
            PriceVersion = row.IsDBNull(5) ? null : row.GetInt32(5),
            ReservedUsd = Amount(6),
            CostUsd = Amount(7),
            InputTokens = Number(8),
            CachedTokens = Number(9),
            OutputTokens = Number(10),
            ReasoningTokens = Number(11),
            ReservedAt = row.GetFieldValue<DateTimeOffset>(12),
            EndedAt = row.IsDBNull(13) ? null : row.GetFieldValue<DateTimeOffset>(13),
            UsageDisputed = row.GetBoolean(14),
        };
    }
}
