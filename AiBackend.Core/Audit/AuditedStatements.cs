using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Audit;

/// <summary>Statements whose tables write down in the audit log what they changed, in the same transaction (0025b_audit.sql).</summary>
internal static class AuditedStatements
{
    private const string ActSql = "CALL acting_as(@who)";

    /// <summary>A batch that first says who acts, if anybody does; it has no result of its own, so that results begin with the statement's.</summary>
    /// <param name="database">Where.</param>
    /// <param name="sql">A constant: the statement that changes something.</param>
    /// <param name="command">The statement, for its parameters.</param>
    public static NpgsqlBatch CreateAudited(this NpgsqlDataSource database, string sql, out NpgsqlBatchCommand command)
    {
        var batch = database.CreateBatch();
        batch.Add(sql, out command);
        return batch;
    }

    /// <summary>The same within a transaction, which may act for a tenant already.</summary>
    public static NpgsqlBatch CreateAudited(this NpgsqlConnection transaction, string sql, out NpgsqlBatchCommand command)
    {
        var batch = transaction.CreateBatch();
        batch.Add(sql, out command);
        return batch;
    }

    /// <summary>The same for rows of tenants.</summary>
    public static NpgsqlBatch CreateAuditedFor(this NpgsqlDataSource database, Guid[] tenantIds, string sql, out NpgsqlBatchCommand command)
    {
        var batch = database.CreateBatch();
        batch.ActFor(tenantIds);
        batch.Add(sql, out command);
        return batch;
    }

    private static void Add(this NpgsqlBatch batch, string sql, out NpgsqlBatchCommand command)
    {
        batch.SayWhoActs();
#pragma warning disable CA2100 // Callers hand over constants.
        batch.BatchCommands.Add(command = new NpgsqlBatchCommand(sql));
#pragma warning restore CA2100
    }

    /// <summary>Adds who acts, if anybody does, to a batch that is one transaction.</summary>
    public static void SayWhoActs(this NpgsqlBatch batch)
    {
        if (AuditActor.Current is { } actor)
        {
            var act = new NpgsqlBatchCommand(ActSql);
            act.Parameters.AddWithValue("who", actor.ToJson());
            batch.BatchCommands.Add(act);
        }
    }
}
