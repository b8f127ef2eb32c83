using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;

namespace AiBackend.Api.OpenAi.Calls;

/// <summary>The events of a job as one answer, for readers who can only append.</summary>
/// <remarks>
/// What was there before the reader came is folded first, so that of an answer that was begun several times only the one that counts is
/// told. When text that was told counts no longer, the reader is told so, and never gets another answer joined to it.
/// </remarks>
/// <param name="knownSeq">Number of the latest event when the reader came.</param>
internal abstract class AnswerView(int knownSeq) : EventView
{
    private readonly StringBuilder _early = new();
    private readonly List<ChatToolCall> _earlyCalls = [];
    private bool _isCaughtUp;
    private int _told;
    private int _toldCalls;

    /// <summary>How often the answer has begun anew.</summary>
    protected int Resets { get; private set; }

    /// <summary>Nothing more is to be told.</summary>
    protected bool IsOver { get; set; }

    /// <summary>Whether the job's end was told, and not only that its answer begins anew.</summary>
    public bool HasEnd { get; private set; }

    /// <summary>Who was sent away knows from what was told where the answer can be read again, without the request.</summary>
    public virtual bool CanBeResumed => false;

    public sealed override ValueTask<bool> WriteAsync(PipeWriter output, JobEventRecord record, CancellationToken cancellationToken)
    {
        var goesOn = Take(output, record);
        if (goesOn && !_isCaughtUp && record.Seq >= knownSeq)
        {
            CatchUp(output);
        }

        return ValueTask.FromResult(goesOn && !IsOver);
    }

    /// <summary>More text of the answer; never empty.</summary>
    protected abstract void Tell(PipeWriter output, string text);

    /// <summary>A tool that the model asks for.</summary>
    protected abstract void TellToolCall(PipeWriter output, int index, ChatToolCall call);

    /// <summary>What follows was written by another call than the text before.</summary>
    protected virtual void TellContinued(PipeWriter output) { }

    /// <summary>The text that was told no longer counts. Nothing is told after this.</summary>
    protected abstract void TellReset(PipeWriter output);

    /// <summary>The job has ended. Nothing is told after this.</summary>
    protected abstract void TellEnd(PipeWriter output, Job job);

    /// <summary>A worker has begun.</summary>
    protected virtual void TellBegin(PipeWriter output) { }

    private bool Take(PipeWriter output, JobEventRecord record)
    {
        switch (record.Kind)
        {
            case JobEventKind.State:
                if (JsonSerializer.Deserialize(record.Data.Span, StoredJson.Lenient.StateEvent)!.Status == JobStatuses.Processing)
                {
                    TellBegin(output);
                }

                return true;
            case JobEventKind.Delta:
                Append(output, JsonSerializer.Deserialize(record.Data.Span, StoredJson.Lenient.DeltaEvent)!.Text);
                return true;
            case JobEventKind.Snapshot:
                Replace(output, JsonSerializer.Deserialize(record.Data.Span, StoredJson.Lenient.SnapshotEvent)!.Text);
                return true;
            case JobEventKind.ToolCall:
                AppendCall(output, JsonSerializer.Deserialize(record.Data.Span, StoredJson.Lenient.ToolCallEvent)!.Call);
                return true;
            case JobEventKind.Continued:
                if (_told > 0)
                {
                    TellContinued(output);
                }

                return true;
            case JobEventKind.Reset:
                return Forget(output);
            case JobEventKind.Final:
                CatchUp(output);
                HasEnd = true;
                TellEnd(output, JsonSerializer.Deserialize(record.Data.Span, StoredJson.Lenient.FinalEvent)!.Job);
                return false;
            default:
                return true;
        }
    }

    private void Append(PipeWriter output, string text)
    {
        if (!_isCaughtUp)
        {
            _early.Append(text);
        }
        else if (text.Length > 0)
        {
            _told += text.Length;
            Tell(output, text);
        }
    }

    private void AppendCall(PipeWriter output, ChatToolCall call)
    {
        if (_isCaughtUp)
        {
            TellToolCall(output, _toldCalls++, call);
        }
        else
        {
            _earlyCalls.Add(call);
        }
    }

    /// <summary>All text of an attempt: what was told of it stands at its beginning.</summary>
    private void Replace(PipeWriter output, string whole)
    {
        if (_isCaughtUp)
        {
            Append(output, whole[Math.Min(_told, whole.Length)..]);
        }
        else
        {
            _early.Clear().Append(whole);
        }
    }

    private bool Forget(PipeWriter output)
    {
        Resets++;
        _early.Clear();
        _earlyCalls.Clear();
        if (_told == 0 && _toldCalls == 0)
        {
            return true;
        }

        TellReset(output);
        return false;
    }

    private void CatchUp(PipeWriter output)
    {
        _isCaughtUp = true;
        Append(output, _early.ToString());
        _early.Clear();
        _earlyCalls.ForEach(call => AppendCall(output, call));
        _earlyCalls.Clear();
    }
}
