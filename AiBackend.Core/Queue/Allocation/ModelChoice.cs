using System.Buffers.Binary;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Queue.Allocation;

/// <summary>Which jobs that leave their model to us get the faster one now. In memory, a second or two old.</summary>
public sealed class ModelChoice(NpgsqlDataSource database, TimeProvider clock)
{
    // Older, nobody leads, and nobody would move jobs back.
    private const string Sql = "SELECT usual_share FROM line_outlook WHERE at > now() - interval '10 seconds'";

    private readonly RecentRead<Known> _known = new(() => ReadAsync(database), TimeSpan.FromSeconds(1), clock);

    /// <summary>Whether the job gets the faster model. The same job is told the same as long as the share is the same.</summary>
    public async ValueTask<bool> IsMovedAsync(Guid jobId) => await _known.LatestAsync() is { } known && IsMoved(jobId, known.UsualShare);

    /// <summary>Whether a job is among those that do not get the usual model.</summary>
    public static bool IsMoved(Guid jobId, double usualShare)
    {
        Span<byte> bytes = stackalloc byte[16];
        jobId.TryWriteBytes(bytes);
        // The end of an id is random.
        return BinaryPrimitives.ReadUInt32BigEndian(bytes[12..]) / (double)(1L << 32) >= usualShare;
    }

    private static async Task<Known> ReadAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand(Sql);
        return new(await command.ExecuteScalarAsync(CancellationToken.None) as double? ?? 1);
    }

    private sealed record Known(double UsualShare);
}
