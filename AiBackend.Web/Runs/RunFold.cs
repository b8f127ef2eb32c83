using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;

namespace AiBackend.Web.Runs;

/// <summary>Folds a job's event log into what a reader sees. Pure: no clock, no I/O, one thread at a time.</summary>
internal sealed class RunFold
{
    private readonly StringBuilder _text = new();
    private readonly List<RunNotice> _notices = [];

    /// <summary>Number of the latest event that counts; 0 before the first.</summary>
    public int LastSeq { get; private set; }

    public string Status { get; private set; } = JobStatuses.Queued;

    /// <summary>Number of the latest attempt; 0 before the first.</summary>
    public int Attempt { get; private set; }

    /// <summary>Attempts that were no failed tries.</summary>
    public int Excused { get; private set; }

    /// <summary>The attempt that wrote <see cref="Text"/>; 0 while there is no text.</summary>
    public int TextAttempt { get; private set; }

    public string? WaitingReason { get; private set; }

    public DateTimeOffset? NextAttemptAt { get; private set; }

    public UsageEvent? Usage { get; private set; }

    /// <summary>Calls that models have asked for so far, of registered tools and of the caller's own.</summary>
    public int ToolCalls { get; private set; }

    /// <summary>Results of registered tools so far.</summary>
    public int ToolResults { get; private set; }

    /// <summary>The job as it ended; null until then.</summary>
    public Job? Final { get; private set; }

    public IReadOnlyList<RunNotice> Notices => _notices;

    /// <summary>Changes whenever the text was replaced rather than extended, so that a renderer knows what it may keep.</summary>
    public int TextRevision { get; private set; }

    public int TextLength => _text.Length;

    public string Text => _text.ToString();

    public string TextFrom(int start) => _text.ToString(start, _text.Length - start);

    public FoldOutcome Apply(RunEvent next)
    {
        if (next.Seq <= LastSeq)
        {
            return FoldOutcome.Duplicate;
        }

        // A snapshot carries everything up to its own number, so it may jump ahead.
        if (next.Seq > LastSeq + 1 && next.Payload is not SnapshotEvent)
        {
            return FoldOutcome.Gap;
        }

        LastSeq = next.Seq;
        Take(next.Payload);
        return FoldOutcome.Applied;
    }

    /// <summary>Replaces the text by what the Api stored, after the fold was found to differ from it.</summary>
    public void ReplaceText(string text) => Replace(Math.Max(TextAttempt, 1), text);

    private void Take(object? payload)
    {
        switch (payload)
        {
            case StateEvent state:
                (Status, WaitingReason, NextAttemptAt) = (state.Status, state.WaitingReason, state.NextAttemptAt);
                Attempt = Math.Max(Attempt, state.Attempt);
                Excused += state.Excused ? 1 : 0;
                break;
            case DeltaEvent delta when Counts(delta.Attempt):
                Append(delta);
                break;
            case SnapshotEvent snapshot when Counts(snapshot.Attempt):
                Replace(snapshot.Attempt, snapshot.Text);
                break;
            case ResetEvent reset:
                Abandon(reset);
                break;
            case ContinuedEvent:
                _notices.Add(new RunNotice(JobEventTypes.Continued, RunWords.Continued));
                break;
            case ToolCallEvent:
                ToolCalls++;
                break;
            case ToolResultEvent:
                ToolResults++;
                break;
            case UsageEvent usage:
                Usage = usage;
                break;
            case NoticeEvent notice:
                _notices.Add(new RunNotice(notice.Code, notice.Message));
                break;
            case FinalEvent final:
                (Final, Status, WaitingReason, NextAttemptAt) = (final.Job, final.Job.Status, null, null);
                Attempt = Math.Max(Attempt, final.Job.Attempt);
                break;
        }
    }

    /// <summary>Text of an attempt counts unless a later one has written: two attempts never share a text.</summary>
    private bool Counts(int attempt) => attempt >= TextAttempt;

    private void Append(DeltaEvent delta)
    {
        if (delta.Attempt > TextAttempt)
        {
            Replace(delta.Attempt, "");
        }

        _text.Append(delta.Text);
    }

    private void Replace(int attempt, string text)
    {
        TextAttempt = attempt;
        Attempt = Math.Max(Attempt, attempt);
        _text.Clear().Append(text);
        TextRevision++;
    }

    private void Abandon(ResetEvent reset)
    {
        if (reset.Attempt >= TextAttempt)
        {
            Replace(reset.Attempt, "");
        }

        _notices.Add(new RunNotice("reset:" + reset.Reason, RunWords.Abandoned(reset)));
    }
}

/// <summary>What one event did to the fold.</summary>
internal enum FoldOutcome
{
    Applied,

    /// <summary>Already seen; nothing changed.</summary>
    Duplicate,

    /// <summary>Something is missing before it; nothing changed, ask again from <see cref="RunFold.LastSeq"/>.</summary>
    Gap,
}
