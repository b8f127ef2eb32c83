using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Money;

/// <summary>Forgets the sums of days that are older than they are kept.</summary>
public sealed class PruneUsage(NpgsqlDataSource database, IOptions<PriceOptions> options)
{
    private const int MaxBatch = 5_000;

    private const string Sql = """
        DELETE FROM usage_days WHERE ctid IN (SELECT ctid FROM usage_days WHERE day < ((now() - @keep) AT TIME ZONE 'UTC')::date LIMIT @limit)
        """;

    /// <returns>How many rows are gone.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var (all, batch) = (0, MaxBatch);
        while (batch == MaxBatch)
        {
            await using var command = database.CreateCommand(Sql);
            command.Parameters.AddWithValue("keep", options.Value.KeepUsage);
            command.Parameters.AddWithValue("limit", MaxBatch);
            batch = await command.ExecuteNonQueryAsync(cancellationToken);
            all += batch;
        }

        return all;
    }
}
