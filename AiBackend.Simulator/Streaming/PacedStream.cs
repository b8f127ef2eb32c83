using System.IO.Pipelines;
using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Calls;
using AiBackend.Simulator.Chat;

namespace AiBackend.Simulator.Streaming;

/// <summary>One streamed answer, driven by the <see cref="Pacer"/>. Tokens that are late are sent together, so the total time holds.</summary>
internal sealed class PacedStream
{
    /// <summary>So that an endless answer without pauses leaves the thread to others.</summary>
    private const int MaxTokensAtOnce = 256;

    private readonly Pacer _pacer;
    private readonly PipeWriter _output;
    private readonly ChunkWriter _chunks;
    private readonly PlannedAnswer _plan;
    private readonly SimBehaviour _behaviour;
    private readonly SimCall _call;
    private readonly Action _writeEnd;
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private long _nextDue;
    private int _sent;
    private volatile bool _aborted;
    private volatile bool _flushing;

    public PacedStream(
        Pacer pacer,
        PipeWriter output,
        ChunkWriter chunks,
        PlannedAnswer plan,
        SimBehaviour behaviour,
        SimCall call,
        Action writeEnd
    )
    {
        (_pacer, _output, _chunks, _plan, _behaviour, _call, _writeEnd) = (pacer, output, chunks, plan, behaviour, call, writeEnd);
    }

    /// <summary>Streams the whole answer.</summary>
    /// <returns>How it ended: one of <see cref="SimOutcomes"/>.</returns>
    public async Task<string> RunAsync(CancellationToken clientGone)
    {
        await using var registration = clientGone.Register(static stream => ((PacedStream)stream!).Abort(), this);
        Schedule(Timings.FirstToken(_behaviour));
        _pacer.Wake(this, _nextDue);
        return await _ended.Task;
    }

    /// <summary>Writes what is due. Called by the pacer's thread only.</summary>
    public void Advance(long now)
    {
        // An abort may wake a stream a second time, and an unfinished flush owns the pipe.
        if (_ended.Task.IsCompleted || _flushing)
        {
            return;
        }

        try
        {
            if (!_aborted && now >= _nextDue && WriteDue(now))
            {
                Flush();
                return;
            }

            Continue();
        }
        catch (Exception problem) when (problem is IOException or InvalidOperationException or OperationCanceledException)
        {
            // The connection went away between two writes.
            _ended.TrySetResult(SimOutcomes.ClientAborted);
        }
    }

    private bool Done => _sent >= _plan.Tokens;

    private bool Stalls => _sent >= _behaviour.HangAfterTokens || (_behaviour.Hang == SimHang.BeforeFirstToken);

    private bool IsCut => _sent >= _behaviour.CutAfterTokens;

    /// <summary>Writes the tokens whose time has come.</summary>
    /// <returns>Whether there is something to flush.</returns>
    private bool WriteDue(long now)
    {
        if (IsCut || Stalls)
        {
            return false;
        }

        if (_sent == 0)
        {
            _chunks.Role(_output);
        }

        for (var burst = 0; burst < MaxTokensAtOnce && !Done && !IsCut && !Stalls && _nextDue <= now; burst++)
        {
            if (_behaviour.Stamps)
            {
                _chunks.Stamp(_output, _pacer.Clock.GetUtcNow());
            }
            else
            {
                _chunks.Token(_output, _plan.Answer.Escaped(_sent));
            }

            _sent++;
            Schedule(Timings.NextToken(_behaviour));
        }

        _call.TokensSent = _sent;
        if (Done && !IsCut && !Stalls)
        {
            _writeEnd();
        }

        return true;
    }

    private void Flush()
    {
        var flush = _output.FlushAsync(CancellationToken.None);
        if (flush.IsCompletedSuccessfully)
        {
            _aborted |= flush.Result.IsCompleted;
            Continue();
        }
        else
        {
            _flushing = true;
            _ = FinishFlushAsync(flush);
        }
    }

    private async Task FinishFlushAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            _aborted |= (await flush).IsCompleted;
        }
        catch (Exception problem) when (problem is IOException or InvalidOperationException or OperationCanceledException)
        {
            _aborted = true;
        }

        _flushing = false;
        Continue();
    }

    private void Continue()
    {
        if (_aborted)
        {
            _ended.TrySetResult(SimOutcomes.ClientAborted);
        }
        else if (IsCut)
        {
            _ended.TrySetResult(SimOutcomes.Cut);
        }
        else if (Stalls)
        {
            // Only the client's leaving wakes it again.
        }
        else if (Done)
        {
            _ended.TrySetResult(SimOutcomes.Completed);
        }
        else
        {
            _pacer.Wake(this, _nextDue);
        }
    }

    private void Abort()
    {
        _aborted = true;
        _pacer.Wake(this, 0);
    }

    private void Schedule(TimeSpan pause)
    {
        var from = _nextDue == 0 ? _pacer.Clock.GetTimestamp() : _nextDue;
        _nextDue = from + (long)(pause.TotalSeconds * _pacer.Clock.TimestampFrequency);
    }
}
