using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>What the event log does not carry: times, place in the queue, the trace.</summary>
internal sealed class RunFacts(Guid id, RunBoard board, ApiClient api) : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _refresh = new(0, 1);
    private (int Results, string Status)? _tools;

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

            await ReadToolsAsync(cancellationToken);
        }
    }

    public void Dispose() => _refresh.Dispose();

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
        if (
            board.Facts.Job is { Type: "workflow" }
            && await api.GetStepsAsync(id, cancellationToken) is ApiResult<RunSteps>.Success(var steps)
        )
        {
            board.Note(known => known with { Steps = steps });
        }

        return board.Facts.Job is not null;
    }

    public async Task ReadTraceAsync(CancellationToken cancellationToken)
    {
        await ReadToolsAsync(cancellationToken);
        if (await api.GetTraceAsync(id, cancellationToken) is ApiResult<JobTrace>.Success(var trace))
        {
            board.Note(known => known with { Trace = trace });
        }
    }

    /// <summary>Reads the calls of tools when something has come of them, or somebody is asked, since they were read last.</summary>
    private async Task ReadToolsAsync(CancellationToken cancellationToken)
    {
        var tools = board.Tools;
        if (tools != _tools && await api.GetToolCallsAsync(id, cancellationToken) is ApiResult<JobToolCalls>.Success(var calls))
        {
            _tools = tools;
            board.Note(known => known with { ToolCalls = calls });
        }
    }

    /// <summary>An answer that was under way while the run ended is older than the end.</summary>
    private static Job Newer(Job? known, Job read) => known is { FinishedAt: not null } && read.FinishedAt is null ? known : read;
}
