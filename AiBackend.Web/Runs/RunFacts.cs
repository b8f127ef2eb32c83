using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>What the event log does not carry: times, place in the queue, the trace.</summary>
internal sealed class RunFacts(Guid id, RunBoard board, ApiClient api) : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _refresh = new(0, 1);

    // One look at a time: what was asked before the run ended must not take the place of what was asked after.
    private readonly SemaphoreSlim _turn = new(1, 1);
    private (int Calls, int Results, string Status)? _tools;

    /// <summary>Reads the job after every change of state, and now and then while it waits, until the run has ended.</summary>
    public async Task KeepAsync(CancellationToken cancellationToken)
    {
        while (!board.HasEnded)
        {
            await _refresh.WaitAsync(Period, cancellationToken);
            if (board.Facts.Job is not null && board.NeedsFacts && !board.HasEnded)
            {
                await ReadJobAsync(cancellationToken);
            }

            await ReadToolsAsync(mustRead: false, cancellationToken);
        }
    }

    public void Dispose()
    {
        _refresh.Dispose();
        _turn.Dispose();
    }

    public void Refresh()
    {
        lock (_refresh)
        {
            if (_refresh.CurrentCount == 0)
            {
                _refresh.Release();
            }
        }
    }

    /// <summary>Reads the job and tells whether it is known now.</summary>
    public async Task<bool> ReadJobAsync(CancellationToken cancellationToken)
    {
        var answer = await api.GetJobAsync(id, cancellationToken);
        board.Note(known =>
            answer switch
            {
                ApiResult<Job>.Success(var job) => known with { Job = Newer(known.Job, job), Failure = null },
                // A refresh that failed must not hide what is already on screen.
                ApiResult<Job>.Failure(var reason) when known.Job is null => known with { Failure = reason },
                _ => known,
            }
        );
        await ReadStepsAsync(cancellationToken);
        return board.Facts.Job is not null;
    }

    /// <summary>Reads what stands beside the job of a run that has ended. All of it: what came with the end nobody tells apart from what was read before.</summary>
    /// <returns>False when something could not be read that may be there.</returns>
    public async Task<bool> ReadRestAsync(CancellationToken cancellationToken)
    {
        var hasTools = await ReadToolsAsync(mustRead: true, cancellationToken);
        var hasSteps = await ReadStepsAsync(cancellationToken);
        var hasTrace = Take(await api.GetTraceAsync(id, cancellationToken), (known, trace) => known with { Trace = trace });
        return hasTools && hasSteps && hasTrace;
    }

    private async Task<bool> ReadStepsAsync(CancellationToken cancellationToken)
    {
        if (board.Facts.Job is not { Type: "workflow" })
        {
            return true;
        }

        await _turn.WaitAsync(cancellationToken);
        try
        {
            return Take(await api.GetStepsAsync(id, cancellationToken), (known, steps) => known with { Steps = steps });
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Reads the calls of tools while they are made, and when something has come of them, or somebody is asked, since they were read last.</summary>
    private async Task<bool> ReadToolsAsync(bool mustRead, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var tools = board.Tools;
            if (!mustRead && tools == _tools && !board.MakesCalls)
            {
                return true;
            }

            var isRead = Take(await api.GetToolCallsAsync(id, cancellationToken), (known, calls) => known with { ToolCalls = calls });
            _tools = isRead ? tools : _tools;
            return isRead;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <returns>False when there is no answer yet; a refusal is one.</returns>
    private bool Take<T>(ApiResult<T> answer, Func<RunView, T, RunView> change)
    {
        if (answer is ApiResult<T>.Success(var value))
        {
            board.Note(known => change(known, value));
        }

        return answer.FailureOrNull is not { MayPass: true };
    }

    /// <summary>An answer that was under way while the run ended is older than the end.</summary>
    private static Job Newer(Job? known, Job read) => known is { FinishedAt: not null } && read.FinishedAt is null ? known : read;
}
