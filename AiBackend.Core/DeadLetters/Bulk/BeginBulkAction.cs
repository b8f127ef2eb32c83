using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters.Bulk;

/// <summary>A wish to replay or discard many letters.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Selection">Which letters.</param>
/// <param name="KeyId">Public id of the API key that asks.</param>
public sealed record BulkOrder(BulkKind Kind, BulkSelection Selection, string KeyId)
{
    /// <summary>One first, then ten, then the rest.</summary>
    public required bool Canary { get; init; }

    /// <summary>Letters a second, at least 1.</summary>
    public required int Rate { get; init; }

    /// <summary>Model of the new jobs; null keeps each job's own.</summary>
    public string? Model { get; init; }

    /// <summary>The most urgent priority that the new jobs may have; more urgent ones get it.</summary>
    public JobPriority HighestPriority { get; init; } = JobPriority.Interactive;

    /// <summary>The filter as JSON, to be shown; null when letters were named by id.</summary>
    public string? FilterJson { get; init; }

    /// <summary>The caller's key for this request.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>SHA-256 of what the request means; required with <see cref="IdempotencyKey"/>.</summary>
    public byte[]? Meaning { get; init; }
}

/// <summary>How the begin of a bulk action ended.</summary>
public abstract record BeginOutcome
{
    private BeginOutcome() { }

    /// <summary>It is stored and will be carried out.</summary>
    /// <param name="Id">Names it.</param>
    /// <param name="Repeat">The same request began it before.</param>
    public sealed record Begun(Guid Id, bool Repeat) : BeginOutcome;

    /// <summary>The key was used for another bulk action less than a day ago; nothing was written.</summary>
    /// <param name="Id">The action of then.</param>
    public sealed record KeyReused(Guid Id) : BeginOutcome;

    /// <summary>It would take more letters than one action may; nothing was written.</summary>
    /// <param name="Letters">How many at least.</param>
    public sealed record TooMany(long Letters) : BeginOutcome;

    /// <summary>As many actions of the tenant run as may; nothing was written.</summary>
    /// <param name="Running">How many.</param>
    public sealed record TooManyRunning(long Running) : BeginOutcome;
}

/// <summary>Stores a bulk action and the letters it takes, in one statement.</summary>
public sealed class BeginBulkAction(NpgsqlDataSource database, ILogger<BeginBulkAction> logger)
{
    /// <summary>Letters that one action may take.</summary>
    public const int MaxLetters = 100_000;

    /// <summary>Actions of a tenant that may run at once. Requests that arrive together may pass it by a few.</summary>
    public const int MaxRunning = 20;

    private const int LastStage = 3;

    private const string KeyIsOver = "(created_at <= now() - interval '24 hours')";

    // A key that is over is taken from its action first: "freed" is read before the new action is stored.
    // The first letters are one of every cause, then a second of every cause, …: so the canary meets as many causes as it can.
    private const string Sql = $"""
        WITH found AS (
            SELECT d.job_id, row_number() OVER (PARTITION BY d.fingerprint ORDER BY d.job_id) AS turn
              FROM {BulkSelection.Letters} LIMIT @max + 1
        ), chosen AS MATERIALIZED (
            SELECT job_id, row_number() OVER (ORDER BY turn, job_id) AS n FROM found
        ), running AS MATERIALIZED (
            SELECT count(*) AS n FROM bulk_actions WHERE tenant_id = @tenant_id AND status = 0
        ), allowed AS MATERIALIZED (
            SELECT 1 FROM running WHERE n < @max_running AND (SELECT count(*) FROM chosen) <= @max
        ), freed AS (
            UPDATE bulk_actions SET idempotency_key = NULL
             WHERE tenant_id = @tenant_id AND idempotency_key = @key AND {KeyIsOver} AND EXISTS (SELECT 1 FROM allowed)
            RETURNING 1
        ), action AS (
            INSERT INTO bulk_actions (id, tenant_id, kind, stage, canary, rate, total, model, highest_priority, filter, created_by, idempotency_key, meaning)
            SELECT @id, @tenant_id, @kind, CASE WHEN @canary THEN 1 ELSE @last_stage END, @canary, @rate, (SELECT count(*) FROM chosen),
                   @new_model, @highest_priority, @filter, @key_id, @key, @meaning
              FROM allowed WHERE (SELECT count(*) FROM freed) >= 0
            ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
            RETURNING id, tenant_id
        ), items AS (
            INSERT INTO bulk_items (action_id, job_id, tenant_id, stage)
            SELECT a.id, c.job_id, a.tenant_id,
                   CASE WHEN NOT @canary THEN @last_stage WHEN c.n = 1 THEN 1 WHEN c.n <= 11 THEN 2 ELSE @last_stage END
              FROM chosen c CROSS JOIN action a
        )
        SELECT (SELECT count(*) FROM chosen), (SELECT n FROM running), EXISTS (SELECT 1 FROM action)
        """;

    private const string RepeatSql = $"""
        SELECT id, meaning FROM bulk_actions WHERE tenant_id = @tenant_id AND idempotency_key = @key AND NOT {KeyIsOver}
        """;

    /// <param name="order">The wish.</param>
    /// <param name="cancellationToken">Ends the wait; the action may have begun all the same.</param>
    public async Task<BeginOutcome> RunAsync(BulkOrder order, CancellationToken cancellationToken)
    {
        // A repeat of a request is that request, even if by now it would take more letters than it may.
        if (order.IdempotencyKey is not null && await FindRepeatAsync(order, cancellationToken) is { } earlier)
        {
            return earlier;
        }

        var id = Guid.CreateVersion7();
        var (letters, running, begun) = await InsertAsync(id, order, cancellationToken);
        if (begun)
        {
            logger.BulkActionBegan(id, order.Kind, letters, order.KeyId);
            return new BeginOutcome.Begun(id, Repeat: false);
        }

        // Its twin was faster: that comes before any limit, which the twin may have been the last to pass.
        if (order.IdempotencyKey is not null && await FindRepeatAsync(order, cancellationToken) is { } twin)
        {
            return twin;
        }

        return letters > MaxLetters ? new BeginOutcome.TooMany(letters)
            : running >= MaxRunning ? new BeginOutcome.TooManyRunning(running)
            : throw new InvalidOperationException($"Bulk action {id} was neither stored nor stored before.");
    }

    private async Task<(long Letters, long Running, bool Begun)> InsertAsync(Guid id, BulkOrder order, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([order.Selection.TenantId], Sql, out var command);
        var parameters = command.Parameters;
        order.Selection.AddTo(parameters);
        parameters.AddWithValue("max", MaxLetters);
        parameters.AddWithValue("max_running", MaxRunning);
        parameters.AddWithValue("id", id);
        parameters.AddWithValue("kind", (short)order.Kind);
        parameters.AddWithValue("last_stage", LastStage);
        parameters.AddWithValue("canary", order.Canary);
        parameters.AddWithValue("rate", order.Rate);
        parameters.AddWithValue("key_id", order.KeyId);
        parameters.AddWithValue("new_model", NpgsqlDbType.Text, (object?)order.Model ?? DBNull.Value);
        parameters.AddWithValue("highest_priority", NpgsqlDbType.Smallint, (short)order.HighestPriority);
        parameters.AddWithValue("filter", NpgsqlDbType.Text, (object?)order.FilterJson ?? DBNull.Value);
        parameters.AddWithValue("key", NpgsqlDbType.Text, (object?)order.IdempotencyKey ?? DBNull.Value);
        parameters.AddWithValue("meaning", NpgsqlDbType.Bytea, (object?)order.Meaning ?? DBNull.Value);
        return (await batch.ReadAllAsync(row => (row.GetInt64(0), row.GetInt64(1), row.GetBoolean(2)), cancellationToken))[0];
    }

    private async Task<BeginOutcome?> FindRepeatAsync(BulkOrder order, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(order.Selection.TenantId, RepeatSql);
        command.Parameters.AddWithValue("tenant_id", order.Selection.TenantId);
        command.Parameters.AddWithValue("key", order.IdempotencyKey!);
        var found = await command.ReadAllAsync(row => (Id: row.GetGuid(0), Meaning: row.GetFieldValue<byte[]>(1)), cancellationToken);
        return found switch
        {
            [] => null,
            [var (id, meaning), ..] when meaning.AsSpan().SequenceEqual(order.Meaning) => new BeginOutcome.Begun(id, Repeat: true),
            [var (id, _), ..] => new BeginOutcome.KeyReused(id),
        };
    }
}
