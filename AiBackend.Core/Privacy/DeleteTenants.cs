using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Privacy;

/// <summary>Carries on with deleting tenants, piece by piece: the leader's part.</summary>
/// <remarks>
/// A piece is a transaction that deletes rows of one table and counts them (0040_second_look.sql), so that a leader that dies in between
/// loses nothing, and two at once do the same work once. Jobs are cancelled first and deleted when they have ended and what they cost is
/// settled. An hour after the end every table is looked at again: a worker or a transaction may have been late.
/// </remarks>
public sealed class DeleteTenants(NpgsqlDataSource database, CancelJob cancel, ILogger<DeleteTenants> logger)
{
    private const int PieceRows = 500;

    // Each with its events and all else that is known of it.
    private const int PieceJobs = 50;
    private const int CancelsAtOnce = 200;
    private const int PiecesAtOnce = 20;

    // A server accepts a key for 5 s after its end, and commits for 5 s what it accepted.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);

    // Longer than any transaction, lease or call of no job lasts.
    private static readonly TimeSpan BeforeSecondLook = TimeSpan.FromHours(1);
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Waiting = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(10);

    // A week of what jobs write has no index by tenant and is looked at row by row.
    private static readonly TimeSpan LongestPiece = TimeSpan.FromMinutes(5);

    private const string NextSql = """
        SELECT id, tenant_id, slug, finished_at IS NOT NULL, extract(epoch FROM requested_at + @grace - now())::double precision
          FROM tenant_deletions
         WHERE finished_at IS NULL OR second_at IS NULL AND finished_at < now() - @second
         ORDER BY requested_at LIMIT 200
        """;

    private const string OpenSql = """
        SELECT id, status = 2 AND cancel_requested FROM jobs WHERE tenant_id = @tenant_id AND status < 6 ORDER BY cancel_requested, id LIMIT @limit
        """;

    private sealed record Deletion(Guid Id, Guid TenantId, string Slug, bool IsSecondLook, TimeSpan Wait);

    /// <returns>When the next round should follow.</returns>
    public async Task<TimeSpan> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(NextSql);
        command.Parameters.AddWithValue("grace", Grace);
        command.Parameters.AddWithValue("second", BeforeSecondLook);
        var open = await command.ReadAllAsync(
            row => new Deletion(
                row.GetGuid(0),
                row.GetGuid(1),
                row.GetString(2),
                row.GetBoolean(3),
                TimeSpan.FromSeconds(row.GetDouble(4))
            ),
            cancellationToken
        );
        var next = Idle;
        foreach (var deletion in open)
        {
            var pause = deletion.Wait > TimeSpan.Zero ? deletion.Wait : await TryCarryOnAsync(deletion, cancellationToken);
            next = pause < next ? pause : next;
        }

        return next;
    }

    /// <summary>One that takes too long, or finds what it did not expect, does not hold up the others.</summary>
    private async Task<TimeSpan> TryCarryOnAsync(Deletion deletion, CancellationToken cancellationToken)
    {
        try
        {
            return await CarryOnAsync(deletion, cancellationToken);
        }
        catch (Exception failure) when (OneTenant.MayFail(failure))
        {
            logger.TenantNotDeleted(failure, deletion.Slug);
            return Idle;
        }
    }

    private async Task<TimeSpan> CarryOnAsync(Deletion deletion, CancellationToken cancellationToken)
    {
        var openJobs = await CancelAsync(deletion.TenantId, cancellationToken);
        var (pieces, found) = (0, false);
        foreach (var table in await ReadPartsAsync(cancellationToken))
        {
            var most = table == "jobs" ? PieceJobs : PieceRows;
            long gone;
            do
            {
                gone = await DeleteAsync(deletion, table, most, cancellationToken);
                found |= gone > 0;
                if (gone > 0 && ++pieces == PiecesAtOnce)
                {
                    return Busy;
                }
            } while (gone >= most);
        }

        if (found)
        {
            // What it names may have been kept by it.
            return Busy;
        }

        if (openJobs || !await CloseAsync(deletion, cancellationToken))
        {
            return Waiting;
        }

        logger.TenantDeleted(deletion.Slug, deletion.IsSecondLook ? "looked at again" : "deleted");
        return Busy;
    }

    private Task<long> DeleteAsync(Deletion deletion, string table, int limit, CancellationToken cancellationToken) =>
        AskAsync<long>(
            "SELECT delete_tenant_rows(@id, @table, @limit)",
            cancellationToken,
            ("id", deletion.Id),
            ("table", table),
            ("limit", limit)
        );

    private Task<bool> CloseAsync(Deletion deletion, CancellationToken cancellationToken) =>
        AskAsync<bool>(
            "SELECT close_tenant_deletion(@id, @second)",
            cancellationToken,
            ("id", deletion.Id),
            ("second", deletion.IsSecondLook)
        );

    private async Task<List<string>> ReadPartsAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT name FROM tenant_parts()");
        return await command.ReadAllAsync(row => row.GetString(0), cancellationToken);
    }

    /// <returns>Whether jobs were found that have not ended.</returns>
    private async Task<bool> CancelAsync(Guid tenantId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OpenSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("limit", CancelsAtOnce);
        var open = await command.ReadAllAsync(row => (Id: row.GetGuid(0), IsTold: row.GetBoolean(1)), cancellationToken);
        foreach (var (jobId, _) in open.Where(job => !job.IsTold))
        {
            await cancel.RunAsync(tenantId, jobId, cancellationToken);
        }

        return open.Count > 0;
    }

    private async Task<T> AskAsync<T>(string sql, CancellationToken cancellationToken, params (string Name, object Value)[] parameters)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var longer = new NpgsqlCommand("SET LOCAL statement_timeout = '5min'", connection);
        await longer.ExecuteNonQueryAsync(cancellationToken);
#pragma warning disable CA2100 // Constants of this class.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        // A little later than Postgres itself, whose word tells a long statement from a broken connection.
        command.CommandTimeout = (int)LongestPiece.TotalSeconds + 5;
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        var answer = (T)(await command.ExecuteScalarAsync(cancellationToken))!;
        await transaction.CommitAsync(cancellationToken);
        return answer;
    }
}
