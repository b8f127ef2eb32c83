using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Controls;

/// <summary>What is held back now.</summary>
public sealed class ControlReads([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database, TimeProvider clock)
{
    internal const string Columns = "kind, name, tenant_id, mode, reason, set_by, set_at, now() - set_at";

    // What is held is few by nature; the limit only keeps a mistake from filling the memory.
    private const string ListSql = $"SELECT {Columns} FROM controls ORDER BY kind, name LIMIT 10000";

    private static readonly TimeSpan Freshness = TimeSpan.FromMilliseconds(500);

    private RecentRead<IReadOnlyList<Control>>? _recent;

    /// <summary>Everything, as it was half a second ago at most; when Postgres does not say, as it was last.</summary>
    public async ValueTask<IReadOnlyList<Control>> LatestAsync()
    {
        var recent = LazyInitializer.EnsureInitialized(ref _recent, () => new(() => ListAsync(CancellationToken.None), Freshness, clock));
        return await recent.LatestAsync() ?? recent.LastKnown ?? [];
    }

    /// <returns>Everything, by kind and name.</returns>
    public async Task<IReadOnlyList<Control>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ListSql);
        return await command.ReadAllAsync(row => Read(row, clock), cancellationToken);
    }

    internal static Control Read(NpgsqlDataReader row, TimeProvider clock) =>
        new()
        {
            Target = new((ControlKind)row.GetInt16(0), row.GetString(1)),
            TenantId = row.IsDBNull(2) ? null : row.GetGuid(2),
            Mode = (ControlMode)row.GetInt16(3),
            Reason = row.IsDBNull(4) ? null : row.GetString(4),
            SetBy = row.GetString(5),
            SetAt = row.GetFieldValue<DateTimeOffset>(6),
            HeldSince = clock.GetUtcNow() - row.GetTimeSpan(7),
        };
}
