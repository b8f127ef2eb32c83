using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Queue;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters.Bulk;

/// <summary>Carries bulk actions on: the leader's part. Everything it knows is in Postgres, so any leader can go on where another fell.</summary>
public sealed class RunBulkActions(
    NpgsqlDataSource database,
    JobIds ids,
    QueuePools pools,
    IJobSignals signals,
    JobMetrics metrics,
    ILogger<RunBulkActions> logger
)
{
    /// <summary>Letters a second at most; a step takes a quarter of it.</summary>
    public const int MaxRate = 1000;

    private const int MaxActions = 100;
    private const int MaxBatch = MaxRate / 4;

    /// <summary>One round over every action that runs.</summary>
    /// <returns>How many run.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var running = await FindAsync(cancellationToken);
        foreach (var action in running.Where(action => action.IsDue))
        {
            try
            {
                // Two actions over the same letters may lock them crosswise; the one that Postgres ends begins again.
                await TransientRetry.RunAsync(token => CarryOnAsync(action, token), cancellationToken);
            }
            catch (Exception failure)
                when (failure is not OperationCanceledException && StorageFailures.Of(failure) is null or StorageTrouble.Busy)
            {
                // Safe to go on: nothing of the step was written, and those behind it in the line must not wait for it.
                logger.BulkActionFailed(failure, action.Id);
                await ExecuteAsync(BulkStatements.PutOffSql, action.Id, cancellationToken);
            }
        }

        return running.Count;
    }

    private async Task<bool> CarryOnAsync(RunningBulkAction action, CancellationToken cancellationToken)
    {
        if (await ExecuteAsync(BulkStatements.RevokeSql, action.Id, cancellationToken) is not null)
        {
            logger.BulkActionKeyRevoked(action.Id);
            return false;
        }

        if (action.Canary)
        {
            await ExecuteAsync(BulkStatements.SettleSql, action.Id, cancellationToken);
            if (await ExecuteAsync(BulkStatements.StopSql, action.Id, cancellationToken) is Guid stoppedBy)
            {
                logger.BulkActionStopped(action.Id, stoppedBy);
                return false;
            }
        }

        if (
            await ExecuteAsync(BulkStatements.AdvanceSql, action.Id, cancellationToken) is short status
            && (BulkStatus)status == BulkStatus.Completed
        )
        {
            logger.BulkActionCompleted(action.Id);
            return false;
        }

        await StepAsync(action, cancellationToken);
        return true;
    }

    /// <summary>Deals with the next letters, if the action still runs and is due.</summary>
    internal async Task StepAsync(RunningBulkAction action, CancellationToken cancellationToken)
    {
        var replays = action.Kind == BulkKind.Replay;
        await using var command = database.CreateCommand(replays ? BulkStatements.ReplaySql : BulkStatements.DiscardSql);
        command.Parameters.AddWithValue("id", action.Id);
        if (replays)
        {
            var newIds = new Guid[MaxBatch];
            for (var i = 0; i < newIds.Length; i++)
            {
                newIds[i] = ids.Next();
            }

            command.Parameters.Add(Parameter.Of("new_ids", NpgsqlDbType.Uuid, newIds));
            CopyJobs.AddTo(command.Parameters, action.Model is { } model ? pools.PoolOf(model) : null, action.Highest);
        }

        var done = await command.ReadAllAsync(row => (Id: row.GetGuid(0), Type: (JobType)row.GetInt16(1)), cancellationToken);
        if (done.Count == 0)
        {
            return;
        }

        FaultPoints.Hit(FaultPoint.K18);
        if (replays)
        {
            signals.Queued([.. done.Select(job => job.Id)]);
            foreach (var job in done)
            {
                metrics.Accepted(job.Type);
            }
        }
    }

    private async Task<IReadOnlyList<RunningBulkAction>> FindAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(BulkStatements.RunningSql);
        command.Parameters.AddWithValue("limit", MaxActions);
        return await command.ReadAllAsync(
            row => new RunningBulkAction(
                row.GetGuid(0),
                (BulkKind)row.GetInt16(1),
                row.GetBoolean(2),
                row.Text(3),
                (JobPriority)row.GetInt16(4),
                row.GetBoolean(5)
            ),
            cancellationToken
        );
    }

    /// <returns>The first column of the first row; null when the guard did not hold.</returns>
    private async Task<object?> ExecuteAsync(string sql, Guid id, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants of BulkStatements.
        await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", id);
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}

/// <summary>An action that has not come to its end.</summary>
internal sealed record RunningBulkAction(Guid Id, BulkKind Kind, bool Canary, string? Model, JobPriority Highest, bool IsDue);
