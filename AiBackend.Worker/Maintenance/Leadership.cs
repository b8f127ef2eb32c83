using Npgsql;

namespace AiBackend.Worker.Maintenance;

/// <summary>Lets one worker at a time do the work that needs doing once: whoever holds an advisory lock in Postgres.</summary>
/// <remarks>Only economy: every task behind it is harmless when two run it, because its statements are guarded.</remarks>
internal sealed class Leadership(NpgsqlDataSource database, TimeProvider clock, ILogger<Leadership> logger)
{
    private const long AdvisoryLock = 0x4149_4c45_4144; // "AILEAD"
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    /// <summary>Runs <paramref name="lead"/> whenever this process is the leader; its token fires when that ends.</summary>
    public async Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(stoppingToken);
                if (await TryLockAsync(connection, stoppingToken))
                {
                    await LeadAsync(connection, lead, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (NpgsqlException failure)
            {
                // Safe to go on: without Postgres there is nothing to lead.
                logger.LeadershipLost(failure);
            }

            await PauseAsync(stoppingToken);
        }
    }

    private async Task LeadAsync(NpgsqlConnection connection, Func<CancellationToken, Task> lead, CancellationToken stoppingToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var work = lead(ended.Token);
        try
        {
            using var timer = new PeriodicTimer(RetryInterval, clock);
            while (!work.IsCompleted && await timer.WaitForNextTickAsync(stoppingToken))
            {
                // The lock lives as long as this session; asking over it is how its end is noticed.
                await using var ping = new NpgsqlCommand("SELECT 1", connection);
                await ping.ExecuteScalarAsync(stoppingToken);
            }
        }
        finally
        {
            await ended.CancelAsync();
            await work;
            if (connection.State == System.Data.ConnectionState.Open)
            {
                // The session goes back to the pool and must not take the lock with it. None: also when stopping.
                await using var unlock = new NpgsqlCommand("SELECT pg_advisory_unlock($1)", connection)
                {
                    Parameters = { new() { Value = AdvisoryLock } },
                };
                await unlock.ExecuteNonQueryAsync(CancellationToken.None);
            }
        }
    }

    private static async Task<bool> TryLockAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", connection)
        {
            Parameters = { new() { Value = AdvisoryLock } },
        };
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    private async Task PauseAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.Delay(RetryInterval, clock, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }
}
