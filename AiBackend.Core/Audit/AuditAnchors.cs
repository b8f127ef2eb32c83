using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Audit;

/// <summary>Where the audit log stood at some time: its latest row, and that row's hash, which covers all before.</summary>
/// <param name="Seq">Number of the row.</param>
/// <param name="Hash">Its hash.</param>
public sealed record AuditAnchor(long Seq, byte[] Hash);

/// <summary>Puts down once a day where the audit log stands, in Postgres and in the log of this process, which is kept elsewhere: the leader's part.</summary>
public sealed class AuditAnchors(NpgsqlDataSource database, ILogger<AuditAnchors> logger)
{
    /// <summary>Does it, unless it was done today.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT seq, hash FROM anchor_audit()");
        var made = await command.ReadAllAsync(row => new AuditAnchor(row.GetInt64(0), row.GetFieldValue<byte[]>(1)), cancellationToken);
        foreach (var (seq, hash) in made)
        {
            logger.AuditAnchored(seq, Convert.ToHexStringLower(hash));
        }
    }
}
