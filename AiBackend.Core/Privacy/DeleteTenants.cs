using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Privacy;

/// <summary>Carries on with deleting tenants, piece by piece: the leader's part.</summary>
/// <remarks>
/// A piece is a transaction that deletes and counts (0036_privacy.sql), so that a leader that dies in between loses nothing, and two at
/// once do the same work once. Jobs are cancelled first and deleted when they have ended and what they cost is settled.
/// </remarks>
public sealed class DeleteTenants(NpgsqlDataSource database, CancelJob cancel, ILogger<DeleteTenants> logger)
{
    private const int PieceRows = 500;
    private const int CancelsAtOnce = 200;
    private const int PiecesAtOnce = 20;

    // A server accepts a key for 5 s after its end, and commits for 5 s what it accepted.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Waiting = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(10);

    // A table without an index by tenant is looked at row by row.
    private static readonly TimeSpan LongestPiece = TimeSpan.FromMinutes(5);

    private const string NextSql = """
        SELECT id, tenant_id, slug, extract(epoch FROM requested_at + @grace - now())::double precision FROM tenant_deletions
         WHERE finished_at IS NULL ORDER BY requested_at LIMIT 200
        """;

    private const string OpenSql = """
        SELECT id, status = 2 AND cancel_requested FROM jobs WHERE tenant_id = @tenant_id AND status < 6 ORDER BY cancel_requested, id LIMIT @limit
        """;

    /// <returns>When the next round should follow.</returns>
    public async Task<TimeSpan> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(NextSql);
        command.Parameters.AddWithValue("grace", Grace);
        var open = await command.ReadAllAsync(
            row => (Id: row.GetGuid(0), TenantId: row.GetGuid(1), Slug: row.GetString(2), Wait: TimeSpan.FromSeconds(row.GetDouble(3))),
            cancellationToken
        );
        var next = Idle;
        foreach (var (id, tenantId, slug, wait) in open)
        {
            var pause = wait > TimeSpan.Zero ? wait : await TryCarryOnAsync(id, tenantId, slug, cancellationToken);
            next = pause < next ? pause : next;
        }

        return next;
    }

    /// <summary>One that takes too long, or finds what it did not expect, does not hold up the others.</summary>
    private async Task<TimeSpan> TryCarryOnAsync(Guid id, Guid tenantId, string slug, CancellationToken cancellationToken)
    {
        try
        {
            return await CarryOnAsync(id, tenantId, slug, cancellationToken);
        }
        catch (PostgresException failure)
        {
            logger.TenantNotDeleted(failure, slug);
            return Idle;
        }
    }

    private async Task<TimeSpan> CarryOnAsync(Guid id, Guid tenantId, string slug, CancellationToken cancellationToken)
    {
        var openJobs = await CancelAsync(tenantId, cancellationToken);
        for (var pieces = 0; pieces < PiecesAtOnce; pieces++)
        {
            if (!await AskAsync("SELECT delete_tenant_piece(@id, @limit)", id, PieceRows, cancellationToken))
            {
                if (openJobs || !await AskAsync("SELECT finish_tenant_deletion(@id)", id, null, cancellationToken))
                {
                    return Waiting;
                }

                logger.TenantDeleted(slug);
                return Busy;
            }
        }

        return Busy;
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

    private async Task<bool> AskAsync(string sql, Guid id, int? limit, CancellationToken cancellationToken)
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
        command.Parameters.AddWithValue("id", id);
        if (limit is { } most)
        {
            command.Parameters.AddWithValue("limit", most);
        }

        var answer = (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
        await transaction.CommitAsync(cancellationToken);
        return answer;
    }
}
