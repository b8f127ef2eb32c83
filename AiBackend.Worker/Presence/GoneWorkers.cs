using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Worker.Execution;
using AiBackend.Worker.Maintenance;
using Npgsql;

namespace AiBackend.Worker.Presence;

/// <summary>Rescues the jobs of workers whose process has ended, some two seconds after it did instead of after a lease.</summary>
/// <remarks>Every worker looks, because the one that is gone may be the leader. All of it is guarded, so that several may find the same.</remarks>
internal sealed class GoneWorkers(
    NpgsqlDataSource database,
    ReleaseLeases releaseLeases,
    RescueJobs rescue,
    Leadership leadership,
    IStorageWatch storage,
    WorkerIdentity identity,
    TimeProvider clock,
    ILogger<GoneWorkers> logger
) : BackgroundService
{
    /// <summary>For how long a worker must be without its lock: longer than a living one needs to find out that Postgres answers again.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(250);

    private const string LookSql = $"""
        WITH held AS (
            SELECT (classid::bigint << 32) | objid::bigint AS key
              FROM pg_locks
             WHERE locktype = 'advisory' AND objsubid = 1 AND granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
        SELECT id, EXISTS (SELECT FROM held WHERE key = {WorkerPresence.KeySql}), last_seen_at
          FROM workers
         WHERE stopped_at IS NULL AND last_seen_at > now() - interval '10 minutes'
        """;

    private readonly Absences _absences = new(identity.Id);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookInterval, clock);
        try
        {
            do
            {
                await LookAsync(stoppingToken);
            } while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The others look.
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        if (storage.IsAway)
        {
            _absences.Forget();
            return;
        }

        try
        {
            var looks = await ReadAsync(cancellationToken);
            foreach (var gone in _absences.Note(looks, clock.GetElapsedTime(0)))
            {
                await leadership.SucceedAsync(gone, cancellationToken);
                if (await releaseLeases.RunAsync(gone, cancellationToken) is { Length: > 0 } jobs)
                {
                    logger.WorkerGone(gone, jobs.Length);
                    await rescue.RunAsync(jobs, cancellationToken);
                }
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: leases run out by themselves.
            _absences.Forget();
            storage.Report(failure);
        }
    }

    private async Task<List<WorkerLook>> ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(LookSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var looks = new List<WorkerLook>();
        while (await reader.ReadAsync(cancellationToken))
        {
            looks.Add(new(reader.GetGuid(0), reader.GetBoolean(1), await reader.GetFieldValueAsync<DateTimeOffset>(2, cancellationToken)));
        }

        return looks;
    }
}
