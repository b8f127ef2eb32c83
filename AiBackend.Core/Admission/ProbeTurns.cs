using AiBackend.Core.Database;
using AiBackend.Core.Providers.Circuits;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Admission;

/// <summary>The turns of all workers, kept in Postgres (0021_probes.sql), without which no job is claimed anyway.</summary>
internal sealed class ProbeTurns(NpgsqlDataSource database, IStorageWatch storage, IOptions<CircuitOptions> options) : IProbeTurns
{
    private const long Well = -1;

    private readonly TimeSpan _every = options.Value.ProbeEvery;

    public async ValueTask<ProbeTurn> TakeAsync(string provider, string model, TimeSpan openFor, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = database.CreateCommand("SELECT take_probe(@provider, @model, @open_ms, @every_ms)");
            command.Parameters.AddWithValue("provider", NpgsqlDbType.Text, provider);
            command.Parameters.AddWithValue("model", NpgsqlDbType.Text, model);
            command.Parameters.AddWithValue("open_ms", NpgsqlDbType.Bigint, (long)openFor.TotalMilliseconds);
            command.Parameters.AddWithValue("every_ms", NpgsqlDbType.Bigint, (long)_every.TotalMilliseconds);
            return (long)(await command.ExecuteScalarAsync(cancellationToken))! switch
            {
                Well => new ProbeTurn.Well(),
                0 => new ProbeTurn.Granted(),
                var wait => new ProbeTurn.Taken(TimeSpan.FromMilliseconds(wait)),
            };
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Nobody knows whose turn it is, so it is nobody's: a provider that is down can wait.
            storage.Report(failure);
            return new ProbeTurn.Taken(_every);
        }
    }
}
