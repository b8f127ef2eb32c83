using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;

namespace AiBackend.Core.Jobs;

/// <summary>One claimed job inside a worker: collects its events until the next flush and knows whether the lease still holds.</summary>
/// <remarks>One attempt writes to it; <see cref="LeasedWrites"/> takes from it. Both may run at the same time.</remarks>
public sealed class RunningJob : IDisposable
{
    /// <summary>
    /// Characters that may wait for their commit; as many again may be on their way to Postgres. A thousand jobs that all wait
    /// for an absent Postgres fit into the memory of a worker.
    /// </summary>
    internal const int MaxWaitingText = 64 * 1024;

    private readonly Lock _gate = new();
    private readonly LeasedWrites _writes;
    private readonly CancellationTokenSource _stop = new();
    private readonly StringBuilder _text = new();
    private readonly TaskCompletionSource<bool> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private List<PendingEvent> _pending = [];
    private readonly List<IDisposable> _held = [];
    private AttemptEnd? _end;
    private TaskCompletionSource? _room;
    private int _waitingText;
    private bool _isEnding;
    private bool _scheduled;
    private bool _streamed;
    private bool _isFirst;

    internal RunningJob(ClaimedJob job, LeasedWrites writes)
    {
        Job = job;
        LastSeq = job.LastSeq;
        _writes = writes;
    }

    /// <summary>The job as claimed.</summary>
    public ClaimedJob Job { get; }

    /// <summary>Fires when the attempt must stop: the lease is lost or a caller cancelled.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>The lease has passed on or may have; nothing this attempt writes counts any more.</summary>
    public bool IsLost { get; private set; }

    /// <summary>A caller asked for the job to be cancelled.</summary>
    public bool CancelRequested { get; private set; }

    /// <summary>Number of the latest event this lease has committed. Only the lease holder writes events of a running job.</summary>
    internal int LastSeq { get; set; }

    /// <summary>Adds model text; neighbouring pieces between two flushes become one delta.</summary>
    public void AppendText(string text)
    {
        lock (_gate)
        {
            _text.Append(text);
            _waitingText += text.Length;
            _isFirst |= !_streamed;
            _streamed = true;
        }

        _writes.Schedule(this, urgent: false);
    }

    /// <summary>The first text, of which no more is at hand, does not wait for the next flush. An answer that is there at once is one write with its end.</summary>
    public void ShowFirstText()
    {
        if (_isFirst)
        {
            _isFirst = false;
            _writes.Schedule(this, urgent: true);
        }
    }

    /// <summary>Returns when more text may be added: at once, unless the model is so far ahead of Postgres that it has to pause.</summary>
    public Task WaitForRoomAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_waitingText < MaxWaitingText)
            {
                return Task.CompletedTask;
            }

            _room ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            return _room.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Adds a notice for people.</summary>
    public void AppendNotice(string code, string message)
    {
        Append(JobEventKind.Notice, JobEventPayload.Of(new NoticeEvent(code, message)));
        _writes.Schedule(this, urgent: false);
    }

    /// <summary>Adds a tool that the model asks for.</summary>
    public void AppendToolCall(ChatToolCall call)
    {
        lock (_gate)
        {
            Append(JobEventKind.ToolCall, JobEventPayload.Of(new ToolCallEvent(Job.Attempt, call)));
            _streamed = true;
        }

        _writes.Schedule(this, urgent: false);
    }

    /// <summary>Adds what came of a tool that was run here.</summary>
    public void AppendToolResult(ToolResultEvent result)
    {
        Append(JobEventKind.ToolResult, JobEventPayload.Of(result));
        _writes.Schedule(this, urgent: false);
    }

    /// <summary>The text so far no longer counts, and the attempt goes on.</summary>
    public void AppendReset(string reason)
    {
        lock (_gate)
        {
            SettleText();
            if (_streamed)
            {
                Append(JobEventKind.Reset, JobEventPayload.Of(new ResetEvent(Job.Attempt, reason)));
            }

            _streamed = false;
        }
    }

    /// <summary>The text so far counts as this one.</summary>
    public void AppendSnapshot(string text) => Append(JobEventKind.Snapshot, JobEventPayload.Of(new SnapshotEvent(Job.Attempt, text)));

    /// <summary>What follows was written by another call, and is appended.</summary>
    public void AppendContinued(string reason) =>
        Append(JobEventKind.Continued, JobEventPayload.Of(new ContinuedEvent(Job.Attempt, reason)));

    /// <summary>Records how the attempt ended, after everything appended before.</summary>
    /// <returns>False when the lease had passed on; then nothing of it was written.</returns>
    public Task<bool> EndAsync(AttemptEnd end)
    {
        lock (_gate)
        {
            _end = end;
        }

        _writes.Schedule(this, urgent: true);
        return _ended.Task;
    }

    /// <summary>Stops the attempt because the lease is lost or may be.</summary>
    public void Lose()
    {
        IsLost = true;
        StopAttempt();
        lock (_gate)
        {
            // An outcome on its way may be what ended the lease: then its own reply says whether it counts.
            if (!_isEnding)
            {
                _ended.TrySetResult(false);
            }
        }
    }

    /// <summary>Stops the attempt because a caller cancelled the job.</summary>
    public void RequestCancel()
    {
        CancelRequested = true;
        StopAttempt();
    }

    /// <summary>Keeps something until the attempt is over.</summary>
    public void Hold(IDisposable thing) => _held.Add(thing);

    /// <inheritdoc />
    public void Dispose()
    {
        _held.ForEach(thing => thing.Dispose());
        _stop.Dispose();
    }

    /// <summary>True for the caller that has to put the job on the list of the next flush.</summary>
    internal bool TryMarkScheduled() => !Interlocked.Exchange(ref _scheduled, true);

    /// <summary>Takes everything there is to write.</summary>
    internal LeasedWrite Take()
    {
        Volatile.Write(ref _scheduled, false);
        lock (_gate)
        {
            SettleText();
            var events = _pending;
            var end = _end;
            _pending = [];
            _waitingText = 0;
            _room?.TrySetResult();
            _room = null;
            _end = null;
            _isEnding |= end is not null;
            if (end is not null)
            {
                AppendEnd(events, end);
            }

            return new LeasedWrite(this, LastSeq, events, end);
        }
    }

    internal void CompleteEnd() => _ended.TrySetResult(true);

    /// <summary>The lease is lost for certain, and nothing of the attempt's end was written.</summary>
    internal void Abandon()
    {
        Lose();
        _ended.TrySetResult(false);
    }

    internal void FailEnd(Exception failure) => _ended.TrySetException(failure);

    private void StopAttempt()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The attempt has ended; whoever tells it to stop cannot know that yet.
        }
    }

    /// <summary>Adds an event behind the text so far.</summary>
    private void Append(JobEventKind kind, byte[] data)
    {
        lock (_gate)
        {
            SettleText();
            _pending.Add(new PendingEvent(kind, data));
        }
    }

    private void SettleText()
    {
        if (_text.Length > 0)
        {
            _pending.Add(new PendingEvent(JobEventKind.Delta, JobEventPayload.Of(new DeltaEvent(Job.Attempt, _text.ToString()))));
            _text.Clear();
        }
    }

    private void AppendEnd(List<PendingEvent> events, AttemptEnd end)
    {
        if (end.Usage is { } usage)
        {
            events.Add(
                new PendingEvent(
                    JobEventKind.Usage,
                    JobEventPayload.Of(
                        new UsageEvent(Job.Attempt, usage.InputTokens, usage.CachedTokens, usage.OutputTokens, usage.CostUsd)
                        {
                            ReasoningTokens = usage.ReasoningTokens,
                        }
                    )
                )
            );
        }

        if (end.ResetReason is { } reason && _streamed)
        {
            events.Add(new PendingEvent(JobEventKind.Reset, JobEventPayload.Of(new ResetEvent(Job.Attempt, reason))));
        }

        if (end is { Question: not null, Text: { } proposal })
        {
            events.Add(new PendingEvent(JobEventKind.Snapshot, JobEventPayload.Of(new SnapshotEvent(Job.Attempt, proposal))));
        }

        events.Add(
            end.Status.IsTerminal()
                ? new PendingEvent(JobEventKind.Final, JobEventPayload.Final)
                : new PendingEvent(JobEventKind.State, JobEventPayload.Of(_writes.StateAfter(Job, end)))
        );
    }
}
