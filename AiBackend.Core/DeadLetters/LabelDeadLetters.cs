using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters;

/// <summary>Gives every dead letter its fingerprint, its last error and its group.</summary>
/// <remarks>
/// Run by the leader, so that the statements that end jobs carry no part of it and a letter of any version is labelled. The guard
/// makes two leaders harmless: a letter is labelled once. Why not in those statements: docs/adr/0007.
/// </remarks>
public sealed class LabelDeadLetters(NpgsqlDataSource database, [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // Also in the text: of a parameter, a plan for all values takes a tenth of all rows for granted.
    private const int MaxBatch = 500;

    // A job that retention has taken away leaves a letter without a message.
    private const string FindSql = """
        SELECT d.job_id, d.class, d.code, coalesce(j.error_message, ''), coalesce(j.model, '')
          FROM dead_letters d LEFT JOIN jobs j ON j.id = d.job_id
         WHERE d.fingerprint IS NULL ORDER BY d.at LIMIT 500
        """;

    // first_seen_at never changes: pages of groups are cut by it.
    private const string LabelSql = """
        WITH input AS (
            SELECT * FROM unnest(@job_id, @fingerprint, @shape, @message, @model) AS t (job_id, fingerprint, shape, message, model)
        ), labelled AS (
            UPDATE dead_letters d SET fingerprint = i.fingerprint, message = i.message, model = i.model
              FROM input i WHERE d.job_id = i.job_id AND d.fingerprint IS NULL
            RETURNING d.tenant_id, d.fingerprint, d.class, d.code, d.at, i.shape
        ), groups AS (
            INSERT INTO dead_letter_groups AS g (tenant_id, fingerprint, class, code, shape, first_seen_at, last_seen_at)
            SELECT tenant_id, fingerprint, min(class), min(code), min(shape), min(at), max(at)
              FROM labelled GROUP BY tenant_id, fingerprint ORDER BY tenant_id, fingerprint
            ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET last_seen_at = greatest(g.last_seen_at, excluded.last_seen_at)
        )
        SELECT count(*) FROM labelled
        """;

    /// <returns>How many letters were labelled.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var labelled = 0;
        while (await FindAsync(cancellationToken) is { Count: > 0 } letters)
        {
            labelled += await TransientRetry.RunAsync(token => LabelAsync(letters, token), cancellationToken);
            if (letters.Count < MaxBatch)
            {
                break;
            }
        }

        return labelled;
    }

    internal async Task<IReadOnlyList<Unlabelled>> FindAsync(CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(rounds, FindSql, _ => { }, cancellationToken);
        return await hot.Command.ReadAllAsync(Unlabelled.Read, cancellationToken);
    }

    internal async Task<int> LabelAsync(IReadOnlyList<Unlabelled> letters, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(LabelSql);
        command.Parameters.AddColumn("job_id", NpgsqlDbType.Uuid, letters, letter => letter.JobId);
        command.Parameters.AddColumn("fingerprint", NpgsqlDbType.Text, letters, letter => letter.Shape.Fingerprint);
        command.Parameters.AddColumn("shape", NpgsqlDbType.Text, letters, letter => letter.Shape.Text);
        command.Parameters.AddColumn("message", NpgsqlDbType.Text, letters, letter => letter.Message);
        command.Parameters.AddColumn("model", NpgsqlDbType.Text, letters, letter => letter.Model);
        return (int)(long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    internal sealed record Unlabelled(Guid JobId, ErrorShape Shape, string Message, string Model)
    {
        public static Unlabelled Read(NpgsqlDataReader row) =>
            new(row.GetGuid(0), ErrorShape.Of(row.GetString(1), row.GetString(2), row.GetString(3)), row.GetString(3), row.GetString(4));
    }
}
