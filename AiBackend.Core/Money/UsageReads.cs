using AiBackend.ApiContracts.Money;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Money;

/// <summary>Which calls a report is about, and what it tells apart.</summary>
public sealed record UsageQuery
{
    /// <summary>Whose calls; null is everybody's.</summary>
    public required Guid? TenantId { get; init; }

    /// <summary>First day.</summary>
    public required DateOnly From { get; init; }

    /// <summary>Last day.</summary>
    public required DateOnly To { get; init; }

    /// <summary>Names of <see cref="Groups"/>.</summary>
    public required IReadOnlySet<string> GroupBy { get; init; }

    /// <summary>Only calls with these values, by names of <see cref="Filters"/>.</summary>
    public required IReadOnlyDictionary<string, string> Only { get; init; }

    /// <summary>What calls can be told apart by.</summary>
    public static IReadOnlyList<string> Groups { get; } = ["day", "tenant", "key", "user", "feature", "provider", "model"];

    /// <summary>What calls can be chosen by.</summary>
    public static IReadOnlyList<string> Filters { get; } = ["key", "user", "feature", "provider", "model"];
}

/// <summary>Reads what calls cost, from the sums of each day.</summary>
public sealed class UsageReads(NpgsqlDataSource database, [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource allTenants)
{
    private const string Sql = """
        SELECT CASE WHEN @by_day THEN day END, CASE WHEN @by_tenant THEN (SELECT slug FROM tenants t WHERE t.id = u.tenant_id) END,
               CASE WHEN @by_key THEN key_id END, CASE WHEN @by_user THEN end_user END, CASE WHEN @by_feature THEN feature END,
               CASE WHEN @by_provider THEN provider END, CASE WHEN @by_model THEN model END,
               sum(calls)::bigint, sum(unpriced_calls)::bigint, sum(unknown_calls)::bigint, sum(input_tokens)::bigint,
               sum(cached_tokens)::bigint, sum(output_tokens)::bigint, sum(reasoning_tokens)::bigint, sum(cost_usd), sum(unknown_usd), sum(disputed_calls)::bigint
          FROM usage_days u
         WHERE (@tenant_id IS NULL OR tenant_id = @tenant_id) AND day BETWEEN @from AND @to
           AND (@key IS NULL OR key_id = @key) AND (@user IS NULL OR end_user = @user) AND (@feature IS NULL OR feature = @feature)
           AND (@provider IS NULL OR provider = @provider) AND (@model IS NULL OR model = @model)
         GROUP BY 1, 2, 3, 4, 5, 6, 7
         ORDER BY 1 DESC NULLS LAST, sum(cost_usd) + sum(unknown_usd) DESC, sum(calls) DESC, 2, 3, 4, 5, 6, 7
         LIMIT 1000
        """;

    /// <returns>One row a group.</returns>
    public async Task<IReadOnlyList<UsageRow>> ReadAsync(UsageQuery query, CancellationToken cancellationToken)
    {
        await using var command = query.TenantId is { } tenantId ? database.CreateCommandFor(tenantId, Sql) : allTenants.CreateCommand(Sql);
        command.Parameters.AddWithValue("tenant_id", NpgsqlDbType.Uuid, (object?)query.TenantId ?? DBNull.Value);
        command.Parameters.AddWithValue("from", query.From);
        command.Parameters.AddWithValue("to", query.To);
        foreach (var group in UsageQuery.Groups)
        {
            command.Parameters.AddWithValue($"by_{group}", query.GroupBy.Contains(group));
        }

        foreach (var filter in UsageQuery.Filters)
        {
            command.Parameters.AddWithValue(filter, NpgsqlDbType.Text, (object?)query.Only.GetValueOrDefault(filter) ?? DBNull.Value);
        }

        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static UsageRow Read(NpgsqlDataReader row)
    {
        string? Text(int ordinal) => row.IsDBNull(ordinal) ? null : row.GetString(ordinal);

        return new UsageRow
        {
            Day = row.IsDBNull(0) ? null : row.GetFieldValue<DateOnly>(0),
            Tenant = Text(1),
            Key = Text(2),
            User = Text(3),
            Feature = Text(4),
            Provider = Text(5),
            Model = Text(6),
            Calls = row.GetInt64(7),
            UnpricedCalls = row.GetInt64(8),
            UnknownCalls = row.GetInt64(9),
            InputTokens = row.GetInt64(10),
            CachedTokens = row.GetInt64(11),
            OutputTokens = row.GetInt64(12),
            ReasoningTokens = row.GetInt64(13),
            CostUsd = row.GetDecimal(14),
            UnknownUsd = row.GetDecimal(15),
            DisputedCalls = row.GetInt64(16),
        };
    }
}
