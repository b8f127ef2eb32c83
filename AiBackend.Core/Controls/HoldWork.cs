using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Queue;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using StackExchange.Redis;

namespace AiBackend.Core.Controls;

/// <summary>Pauses, drains and resumes. Each may be repeated: what is so already stays as it is.</summary>
public sealed class HoldWork(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    IReadyQueue queue,
    TimeProvider clock,
    ILogger<HoldWork> logger
)
{
    // A repeat keeps who did it first and when; another mode is another act.
    private const string HoldSql = $"""
        INSERT INTO controls AS c (kind, name, tenant_id, mode, reason, set_by)
        SELECT @kind, @name, t.id, @mode, @reason, @set_by
          FROM (SELECT 1) one LEFT JOIN tenants t ON @kind = 1 AND t.slug = @name
         WHERE @kind <> 1 OR t.id IS NOT NULL
        ON CONFLICT (kind, name) DO UPDATE
           SET mode = excluded.mode, reason = coalesce(excluded.reason, CASE WHEN c.mode = excluded.mode THEN c.reason END),
               set_by = CASE WHEN c.mode = excluded.mode THEN c.set_by ELSE excluded.set_by END,
               set_at = CASE WHEN c.mode = excluded.mode THEN c.set_at ELSE now() END
        RETURNING {ControlReads.Columns}
        """;

    private const string ResumeSql = "DELETE FROM controls WHERE kind = @kind AND name = @name";

    /// <returns>What is held now; null when it is a tenant that does not exist.</returns>
    public async Task<Control?> HoldAsync(
        ControlTarget target,
        ControlMode mode,
        string? reason,
        string keyId,
        CancellationToken cancellationToken
    )
    {
        var held = await TransientRetry.RunAsync(token => HoldOnceAsync(target, mode, reason, keyId, token), cancellationToken);
        if (held is not null)
        {
            logger.WorkHeld(mode.ToWire(), target.Kind.ToWire(), target.Name, keyId);
        }

        return held;
    }

    /// <returns>False when it was not held.</returns>
    public async Task<bool> ResumeAsync(ControlTarget target, string keyId, CancellationToken cancellationToken)
    {
        if (!await TransientRetry.RunAsync(token => ResumeOnceAsync(target, token), cancellationToken))
        {
            return false;
        }

        logger.WorkResumed(target.Kind.ToWire(), target.Name, keyId);
        try
        {
            // What waited is a backlog: the dispatcher looks at once, and not only at what is old.
            await queue.NoteBacklogAsync();
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException or ObjectDisposedException)
        {
            // Safe: the dispatcher finds what is older than a few seconds by itself, and without Redis workers look into Postgres.
        }

        return true;
    }

    private async Task<Control?> HoldOnceAsync(
        ControlTarget target,
        ControlMode mode,
        string? reason,
        string keyId,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAudited(HoldSql, out var command);
        AddTarget(command, target);
        command.Parameters.AddWithValue("mode", NpgsqlDbType.Smallint, (short)mode);
        command.Parameters.AddWithValue("reason", NpgsqlDbType.Text, (object?)reason ?? DBNull.Value);
        command.Parameters.AddWithValue("set_by", keyId);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ControlReads.Read(reader, clock) : null;
    }

    private async Task<bool> ResumeOnceAsync(ControlTarget target, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(ResumeSql, out var command);
        AddTarget(command, target);
        return await batch.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    private static void AddTarget(NpgsqlBatchCommand command, ControlTarget target)
    {
        command.Parameters.AddWithValue("kind", NpgsqlDbType.Smallint, (short)target.Kind);
        command.Parameters.AddWithValue("name", target.Name);
    }
}
