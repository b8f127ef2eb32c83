using System.Collections.Immutable;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Tools;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Web.Answers;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>Everything a page shows of one run at one moment. Immutable: any number of circuits render the same one.</summary>
public sealed record RunView
{
    public Guid Id { get; init; }

    /// <summary>The job as last read; null until the first read succeeded.</summary>
    public Job? Job { get; init; }

    public JobTrace? Trace { get; init; }

    /// <summary>The first steps of a run of a workflow, as last read; empty for other jobs.</summary>
    public RunSteps Steps { get; init; } = new([], null);

    /// <summary>Calls of registered tools, as last read; empty where there are none.</summary>
    public JobToolCalls ToolCalls { get; init; } = new([]);

    /// <summary>True once the log was read up to the moment of asking: what is shown is all there is.</summary>
    public bool IsCaughtUp { get; init; }

    /// <summary>Why there is nothing to show; null when there is.</summary>
    public ApiFailure? Failure { get; init; }

    public string Status { get; init; } = JobStatuses.Queued;

    public int Attempt { get; init; }

    /// <summary>Attempts that were no failed tries.</summary>
    public int Excused { get; init; }

    public string? WaitingReason { get; init; }

    public DateTimeOffset? NextAttemptAt { get; init; }

    public UsageEvent? Usage { get; init; }

    public ImmutableArray<RunNotice> Notices { get; init; } = [];

    /// <summary>The answer, in blocks of checked HTML.</summary>
    public ImmutableArray<AnswerBlock> Answer { get; init; } = [];

    public int TextLength { get; init; }

    /// <summary>True when the text read live was not the stored one and had to be replaced: a defect, and counted.</summary>
    public bool WasReplaced { get; init; }

    /// <summary>Number of the latest event behind this view.</summary>
    public int Cursor { get; init; }

    public RunLink Link { get; init; } = RunLink.Connecting;

    public bool HasEnded => JobStatuses.IsTerminal(Status);
}

/// <summary>How the view hears of news.</summary>
/// <param name="State">What the connection does now.</param>
/// <param name="HeardAt">When the Api was last heard; null before the first time.</param>
/// <param name="Attempt">Tries to reconnect since then.</param>
public sealed record RunLink(RunLinkState State, DateTimeOffset? HeardAt, int Attempt)
{
    public static RunLink Connecting { get; } = new(RunLinkState.Connecting, null, 0);
}

public enum RunLinkState
{
    Connecting,
    Live,
    Reconnecting,

    /// <summary>The run has ended and its text was compared with the stored one.</summary>
    Complete,
}

/// <summary>Something that happened on the way, worth telling the reader.</summary>
public sealed record RunNotice(string Code, string Message);
