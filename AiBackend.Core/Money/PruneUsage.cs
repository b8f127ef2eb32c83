using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Money;

/// <summary>Forgets the sums of days that are older than they are kept.</summary>
public sealed class PruneUsage(NpgsqlDataSource database, IOptions<PriceOptions> options)
{
    private const int MaxBatch = 5_000;

    private const string Sql = """
        DELETE FROM usage_days WHERE ctid IN (SELECT ctid FROM usage_days WHERE day < (now() - @keep)::date LIMIT @limit)
        """;

    /// <returns>How many rows are gone: a batch of the oldest.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("keep", options.Value.KeepUsage);
        command.Parameters.AddWithValue("limit", MaxBatch);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
