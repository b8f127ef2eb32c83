using System.Collections.Concurrent;
using System.Diagnostics;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Worker.Execution;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Quarantine;

/// <summary>Starts a process for jobs whose worker died twice, so that the third time nobody else is in it.</summary>
/// <remarks>
/// The leader asks once a second whether there are any. A process runs one after another and ends when none waits; when this
/// one stops or dies it gives its job back, because its standard input has ended.
/// </remarks>
internal sealed class QuarantineKeeper(
    FindSuspects suspects,
    ReleaseLeases releaseLeases,
    IJobStore store,
    IHostApplicationLifetime lifetime,
    IOptions<WorkerOptions> options,
    TimeProvider clock,
    ILogger<QuarantineKeeper> logger,
    QuarantineProgram? program = null
) : IHostedService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>A process that dies at once, for whatever reason, is not started again at once.</summary>
    private static readonly TimeSpan PauseAfterDeath = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<Process, Task> _running = new();
    private long _diedAt;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // At once and not when it is this service's turn to stop: jobs are given back while the others drain.
        lifetime.ApplicationStopping.Register(TellAllToStop);
        return Task.CompletedTask;
    }

    /// <returns>When to ask again.</returns>
    public async Task<TimeSpan> RoundAsync(CancellationToken cancellationToken)
    {
        if (program is null || lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return Timeout.InfiniteTimeSpan;
        }

        if (_diedAt != 0 && clock.GetElapsedTime(_diedAt) < PauseAfterDeath)
        {
            return Interval;
        }

        var (waiting, all) = await suspects.CountAsync(cancellationToken);
        if (waiting > 0 && _running.Count < Math.Min(all, options.Value.QuarantineProcesses))
        {
            Start(program, waiting);
        }

        return Interval;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        TellAllToStop();
        try
        {
            await Task.WhenAll(_running.Values).WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            foreach (var process in _running.Keys)
            {
                Tell(process, Kill);
            }

            await Task.WhenAll(_running.Values);
        }
    }

    private void Start(QuarantineProgram described, long waiting)
    {
        var workerId = Guid.CreateVersion7();
        try
        {
            var process = Process.Start(described.Describe(workerId))!;
            logger.QuarantineStarted(process.Id, waiting);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _running[process] = ended.Task;
            _ = WatchAsync(process, workerId, ended);
            if (lifetime.ApplicationStopping.IsCancellationRequested)
            {
                TellAllToStop();
            }
        }
        catch (Exception failure) when (failure is System.ComponentModel.Win32Exception or IOException or InvalidOperationException)
        {
            // Safe to go on: the suspects wait, and nobody else runs them.
            _diedAt = clock.GetTimestamp();
            logger.QuarantineNotStarted(failure);
        }
    }

    private async Task WatchAsync(Process process, Guid workerId, TaskCompletionSource ended)
    {
        // None: the process ends by itself, by its job, or because StopAsync ends it.
        await process.WaitForExitAsync(CancellationToken.None);
        if (process.ExitCode != 0)
        {
            _diedAt = clock.GetTimestamp();
            await ReleaseAsync(process, workerId);
        }

        _running.TryRemove(process, out _);
        process.Dispose();
        ended.SetResult();
    }

    /// <summary>We have seen it end, so nobody has to wait for its lease to run out.</summary>
    private async Task ReleaseAsync(Process process, Guid workerId)
    {
        try
        {
            // None: this must be told also while this process stops; the command time-out bounds it.
            var released = await releaseLeases.RunAsync(workerId, CancellationToken.None);
            await store.RecordStopAsync(workerId, CancellationToken.None);
            logger.QuarantineDied(process.Id, process.ExitCode, released.Length);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe: the lease runs out by itself.
            logger.ReleaseFailed(failure, process.Id);
        }
    }

    private void TellAllToStop()
    {
        foreach (var process in _running.Keys)
        {
            Tell(process, running => running.StandardInput.Close());
        }
    }

    private void Kill(Process process)
    {
        process.Kill();
        logger.QuarantineKilled(process.Id);
    }

    private static void Tell(Process process, Action<Process> tell)
    {
        try
        {
            tell(process);
        }
        catch (Exception gone) when (gone is InvalidOperationException or IOException)
        {
            // It has ended meanwhile.
        }
    }
}
