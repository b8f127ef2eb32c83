using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Repeats;

/// <summary>Answers to requests with an Idempotency-Key that make no job (0035b_kept_answers.sql).</summary>
/// <remarks>Whoever begins is its holder, and says so now and then; one that says nothing any more has died, and the next repeat follows it.</remarks>
public sealed class KeptAnswers(NpgsqlDataSource database)
{
    /// <summary>Largest answer that is kept.</summary>
    public const int MostBytes = 4 << 20;

    /// <summary>How often a holder says that it lives.</summary>
    public static readonly TimeSpan HoldInterval = TimeSpan.FromSeconds(10);

    // Longer than a statement of a busy Postgres may take, three times.
    private static readonly TimeSpan AbandonedAfter = TimeSpan.FromSeconds(45);

    private const string BeginSql = """
        INSERT INTO kept_answers AS k (tenant_id, key, fingerprint, holder)
        SELECT @tenant_id, @key, @fingerprint, @holder FROM tenants t WHERE t.id = @tenant_id AND t.deletion_at IS NULL
        ON CONFLICT (tenant_id, key) DO UPDATE
           SET fingerprint = excluded.fingerprint, holder = excluded.holder, begun_at = now(), answered_at = NULL, body = NULL,
               expires_at = excluded.expires_at
         WHERE k.expires_at < now()
            OR k.answered_at IS NULL AND k.begun_at < now() - @abandoned AND k.fingerprint = excluded.fingerprint
        RETURNING 1
        """;

    private const string FindSql = """
        SELECT fingerprint = @fingerprint, answered_at IS NOT NULL, body FROM kept_answers WHERE tenant_id = @tenant_id AND key = @key
        """;

    private const string HoldSql = """
        UPDATE kept_answers SET begun_at = now() WHERE tenant_id = @tenant_id AND key = @key AND holder = @holder AND answered_at IS NULL
        """;

    private const string KeepSql = """
        UPDATE kept_answers SET answered_at = now(), body = @body
         WHERE tenant_id = @tenant_id AND key = @key AND holder = @holder AND answered_at IS NULL
        """;

    private const string DropSql = """
        DELETE FROM kept_answers WHERE tenant_id = @tenant_id AND key = @key AND holder = @holder AND answered_at IS NULL
        """;

    private const string PruneSql = """
        DELETE FROM kept_answers
         WHERE (tenant_id, key) IN (SELECT tenant_id, key FROM kept_answers WHERE expires_at < now() ORDER BY expires_at LIMIT 1000)
           AND expires_at < now()
        """;

    /// <summary>Begins a request, unless it came before.</summary>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<RepeatState> BeginAsync(KeptRequest request, CancellationToken cancellationToken)
    {
        await using (var begin = For(request, BeginSql))
        {
            begin.Parameters.AddWithValue("fingerprint", request.Fingerprint);
            begin.Parameters.AddWithValue("holder", request.Holder);
            begin.Parameters.AddWithValue("abandoned", NpgsqlDbType.Interval, AbandonedAfter);
            if (await begin.ExecuteScalarAsync(cancellationToken) is not null)
            {
                return new RepeatState.First();
            }
        }

        await using var find = For(request, FindSql);
        find.Parameters.AddWithValue("fingerprint", request.Fingerprint);
        var found = await find.ReadAllAsync(Read, cancellationToken);
        // None when it was given up between the two statements: as good as under way.
        return found is [{ } state] ? state : new RepeatState.UnderWay();
    }

    private static RepeatState Read(NpgsqlDataReader row) =>
        !row.GetBoolean(0) ? new RepeatState.OtherRequest()
        : !row.GetBoolean(1) ? new RepeatState.UnderWay()
        : new RepeatState.Answered(row.IsDBNull(2) ? null : row.GetFieldValue<byte[]>(2));

    /// <summary>Its holder is still at it.</summary>
    public async Task HoldAsync(KeptRequest request, CancellationToken cancellationToken)
    {
        await using var command = For(request, HoldSql);
        command.Parameters.AddWithValue("holder", request.Holder);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Keeps the answer for whoever repeats the request; of one that is too large, that there was one.</summary>
    public async Task KeepAsync(KeptRequest request, ReadOnlyMemory<byte> answer, CancellationToken cancellationToken)
    {
        await using var command = For(request, KeepSql);
        AddAnswer(command, request, answer);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Makes something together with the answer that is kept of it: both are there or neither, whatever dies in between.</summary>
    /// <param name="tenantId">Whose it is.</param>
    /// <param name="request">Null when it has no key: nothing is kept.</param>
    /// <param name="make">Runs its statements on the connection it is given; null when it made nothing.</param>
    /// <returns>The answer; null when nothing was made, or somebody else makes it by now.</returns>
    public async Task<ReadOnlyMemory<byte>?> MakeAsync(
        Guid tenantId,
        KeptRequest? request,
        Func<NpgsqlConnection, Task<ReadOnlyMemory<byte>?>> make
    )
    {
        // None: its caller may leave, and comes back for exactly this. The command time-outs bound it.
        await using var connection = await database.OpenConnectionAsync(CancellationToken.None);
        await using var transaction = await connection.BeginForAsync(tenantId, CancellationToken.None);
        if (await make(connection) is not { } answer)
        {
            return null;
        }

        if (request is not null)
        {
            await using var keep = new NpgsqlCommand(KeepSql, connection);
            AddRequest(keep, request);
            AddAnswer(keep, request, answer);
            if (await keep.ExecuteNonQueryAsync(CancellationToken.None) == 0)
            {
                return null;
            }
        }

        FaultPoints.Hit(FaultPoint.K32);
        await transaction.CommitAsync(CancellationToken.None);
        FaultPoints.Hit(FaultPoint.K33);
        return answer;
    }

    /// <summary>There was no answer: the same request may be made again.</summary>
    public async Task DropAsync(KeptRequest request, CancellationToken cancellationToken)
    {
        await using var command = For(request, DropSql);
        command.Parameters.AddWithValue("holder", request.Holder);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Forgets what is older than 24 hours: the leader's part.</summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        int pruned;
        do
        {
            await using var command = database.CreateCommand(PruneSql);
            pruned = await command.ExecuteNonQueryAsync(cancellationToken);
        } while (pruned > 0);
    }

    private NpgsqlCommand For(KeptRequest request, string sql)
    {
        var command = database.CreateCommandFor(request.TenantId, sql);
        AddRequest(command, request);
        return command;
    }

    private static void AddRequest(NpgsqlCommand command, KeptRequest request)
    {
        command.Parameters.AddWithValue("tenant_id", request.TenantId);
        command.Parameters.AddWithValue("key", request.Key);
    }

    private static void AddAnswer(NpgsqlCommand command, KeptRequest request, ReadOnlyMemory<byte> answer)
    {
        command.Parameters.AddWithValue("holder", request.Holder);
        command.Parameters.AddWithValue("body", NpgsqlDbType.Bytea, answer.Length <= MostBytes ? answer : DBNull.Value);
    }
}

/// <summary>A request that may be repeated.</summary>
/// <param name="TenantId">Whose.</param>
/// <param name="Key">The caller's key, and the address.</param>
/// <param name="Fingerprint">SHA-256 of what it means.</param>
public sealed record KeptRequest(Guid TenantId, string Key, byte[] Fingerprint)
{
    /// <summary>Names this try.</summary>
    public Guid Holder { get; } = Guid.CreateVersion7();
}

/// <summary>Whether a request came before.</summary>
public abstract record RepeatState
{
    private RepeatState() { }

    /// <summary>It did not: its caller holds it now.</summary>
    public sealed record First : RepeatState;

    /// <summary>It did, and is not answered yet.</summary>
    public sealed record UnderWay : RepeatState;

    /// <summary>The key belongs to another request.</summary>
    public sealed record OtherRequest : RepeatState;

    /// <summary>It was answered.</summary>
    /// <param name="Body">The answer; null when it was too large to keep.</param>
    public sealed record Answered(byte[]? Body) : RepeatState;
}
