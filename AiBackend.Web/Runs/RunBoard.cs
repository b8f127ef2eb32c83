using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Answers;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>Where the reader of one run writes and the publisher reads.</summary>
/// <param name="id">The run.</param>
/// <param name="changed">Called after every change, possibly under a lock: it must only wake somebody.</param>
internal sealed class RunBoard(Guid id, Action changed)
{
    private readonly Lock _gate = new();
    private readonly RunFold _fold = new();
    private RunView _facts = new() { Id = id };
    private bool _isBroken;

    /// <summary>What is known beside the event log.</summary>
    public RunView Facts
    {
        get
        {
            lock (_gate)
            {
                return _facts;
            }
        }
    }

    /// <summary>The answer so far, as it was written.</summary>
    public string Text
    {
        get
        {
            lock (_gate)
            {
                return _fold.Text;
            }
        }
    }

    public int LastSeq
    {
        get
        {
            lock (_gate)
            {
                return _fold.LastSeq;
            }
        }
    }

    public bool HasEnded
    {
        get
        {
            lock (_gate)
            {
                return _fold.Final is not null;
            }
        }
    }

    /// <summary>How far the run is with its tools; null where it cannot have called any.</summary>
    public (int Calls, int Results, string Status)? Tools
    {
        get
        {
            lock (_gate)
            {
                // A step that is a call has no event of a model that asks for one.
                return
                    _fold.ToolCalls > 0
                    || _fold.ToolResults > 0
                    || _fold.Status is JobStatuses.WaitingForTool or JobStatuses.WaitingForReview
                    ? (_fold.ToolCalls, _fold.ToolResults, _fold.Status)
                    : null;
            }
        }
    }

    /// <summary>Whether calls of tools are being made, of whose way from one state to the next no event tells.</summary>
    public bool MakesCalls
    {
        get
        {
            lock (_gate)
            {
                return _fold.Status is JobStatuses.Processing
                    // A step that is a call has no model that asks for one.
                    && (
                        _facts.ToolCalls.Data.Count == 0
                            // The caller's own tools are in no registry: once their results are there nothing is under way.
                            ? _fold.ToolCalls > _fold.ToolResults || _facts.Job is { Type: "tool" }
                            : _facts.ToolCalls.Data.Any(call => call.EndedAt is null)
                    );
            }
        }
    }

    /// <summary>True while the queue decides when the run continues, or when the facts lag behind the log.</summary>
    public bool NeedsFacts
    {
        get
        {
            lock (_gate)
            {
                return _fold.Status is JobStatuses.Queued or JobStatuses.Retrying
                    || !string.Equals(_facts.Job?.Status, _fold.Status, StringComparison.Ordinal)
                    // Through other states and back to the same one, within a moment.
                    || _facts.Job?.Attempt < _fold.Attempt;
            }
        }
    }

    public FoldOutcome Apply(RunEvent entry)
    {
        lock (_gate)
        {
            var outcome = _fold.Apply(entry);
            if (outcome is FoldOutcome.Applied && entry.Payload is FinalEvent final)
            {
                _facts = _facts with { Job = final.Job };
            }

            changed();
            return outcome;
        }
    }

    public void Note(Func<RunView, RunView> change)
    {
        lock (_gate)
        {
            _facts = change(_facts);
            changed();
        }
    }

    /// <summary>Shows from now on that following the run ended with a defect, whatever is still read.</summary>
    public void Break()
    {
        lock (_gate)
        {
            _isBroken = true;
            changed();
        }
    }

    /// <summary>Compares what was read with what is stored, and shows the latter.</summary>
    /// <returns>False when they differed.</returns>
    public bool Settle(Job stored)
    {
        lock (_gate)
        {
            var text = stored.Output?.Text ?? "";
            var same = TextDigest.Same(_fold.Text, text);
            if (!same)
            {
                _fold.ReplaceText(text);
            }

            // The result of a run of a workflow is made of its steps' when they are done; they have streamed theirs.
            var isRight = same || stored.Type == "workflow";
            _facts = _facts with { Job = stored, WasReplaced = !isRight };
            changed();
            return isRight;
        }
    }

    /// <summary>The run at this moment, its answer brought up to date.</summary>
    public RunView View(AnswerDocument answer)
    {
        lock (_gate)
        {
            return _facts with
            {
                Failure = _isBroken ? ApiFailure.Defect : _facts.Failure,
                Status = _fold.LastSeq == 0 && _facts.Job is { } job ? job.Status : _fold.Status,
                Attempt = _fold.Attempt,
                Excused = _fold.Excused,
                WaitingReason = _fold.WaitingReason ?? _facts.Job?.Queue?.WaitingReason,
                NextAttemptAt = _fold.NextAttemptAt ?? _facts.Job?.NextAttemptAt,
                Usage = _fold.Usage,
                Notices = [.. _fold.Notices],
                Answer = answer.Update(_fold, _fold.Final is not null),
                TextLength = _fold.TextLength,
                Cursor = _fold.LastSeq,
            };
        }
    }
}
