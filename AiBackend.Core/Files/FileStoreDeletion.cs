using AiBackend.Core.Database;

namespace AiBackend.Core.Files;

// How files go: told to, or by themselves.
public sealed partial class FileStore
{
    // Uploads that nobody finishes any more too.
    private const string IsOld = "(f.expires_at < now() OR f.ready_at IS NULL AND f.created_at < now() - interval '2 days')";

    // What a batch reads or a job is given stays until it has ended; of a job that is submitted in this moment, the worker finds that it is gone.
    // The first two statements take the locks of whoever writes the file or makes a batch of it (BatchStore), in the order of those, so that the
    // third one sees what they did.
    private const string DeleteSql = $"""
        UPDATE files SET bytes = bytes WHERE id = @id AND tenant_id = @tenant_id AND (ready_at IS NULL OR NOT @only_unfinished);
        UPDATE file_usage SET bytes = bytes WHERE tenant_id = @tenant_id;
        WITH gone AS (
            DELETE FROM files f
             WHERE f.id = @id AND f.tenant_id = @tenant_id AND (f.ready_at IS NULL OR NOT @only_unfinished) AND ({IsOld} OR NOT @only_old)
               AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.tenant_id = f.tenant_id AND b.input_file_id = f.id AND b.ended_at IS NULL)
               AND NOT is_attached(f.tenant_id, f.id)
            RETURNING f.bytes, coalesce(f.content_id, f.id) AS content, f.purpose
        ), freed AS (
            UPDATE file_usage u SET bytes = u.bytes - g.bytes FROM gone g
             WHERE u.tenant_id = @tenant_id AND g.purpose <> '{FilePurposes.Artifact}'
               AND NOT EXISTS (SELECT 1 FROM files o WHERE o.id <> @id AND (o.id = g.content OR o.content_id = g.content))
        )
        SELECT EXISTS (SELECT 1 FROM gone) FROM files WHERE id = @id AND tenant_id = @tenant_id
        """;

    private const string FindOldSql = $"""
        SELECT id, tenant_id FROM files f
         WHERE {IsOld}
           AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.tenant_id = f.tenant_id AND b.input_file_id = f.id AND b.ended_at IS NULL)
           AND NOT is_attached(f.tenant_id, f.id)
         LIMIT 100
        """;

    /// <summary>Deletes a file, unless a batch still reads it.</summary>
    public Task<FileDeletion> DeleteAsync(Guid tenantId, Guid id, CancellationToken cancellationToken) =>
        DeleteAsync(tenantId, id, onlyUnfinished: false, onlyOld: false, cancellationToken);

    /// <summary>Deletes what was written of a file, unless it was finished after all.</summary>
    public Task AbandonAsync(StoredFile file, CancellationToken cancellationToken) =>
        DeleteAsync(file.TenantId, file.Id, onlyUnfinished: true, onlyOld: false, cancellationToken);

    /// <summary>Deletes what has expired, and uploads that broke off: the leader's part.</summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        List<(Guid Id, Guid TenantId)> old;
        do
        {
            await using var command = database.CreateCommand(FindOldSql);
            old = await command.ReadAllAsync(row => (row.GetGuid(0), row.GetGuid(1)), cancellationToken);
            foreach (var (id, tenantId) in old)
            {
                // It may have been sent again since it was found.
                await DeleteAsync(tenantId, id, onlyUnfinished: false, onlyOld: true, cancellationToken);
            }
        } while (old.Count > 0);
    }

    private async Task<FileDeletion> DeleteAsync(
        Guid tenantId,
        Guid id,
        bool onlyUnfinished,
        bool onlyOld,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(tenantId, id, DeleteSql);
        command.Parameters.AddWithValue("only_unfinished", onlyUnfinished);
        command.Parameters.AddWithValue("only_old", onlyOld);
        return await command.ExecuteScalarAsync(cancellationToken) switch
        {
            null => FileDeletion.NotThere,
            true => FileDeletion.Deleted,
            _ => FileDeletion.Needed,
        };
    }
}
