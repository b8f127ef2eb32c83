using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;

namespace AiBackend.Tests.Chaos.Invariants;

/// <summary>Everything the invariants are decided from.</summary>
internal sealed record Evidence
{
    public required IReadOnlyList<HistoryEntry> History { get; init; }

    public required IReadOnlyList<JobFacts> Jobs { get; init; }

    public IReadOnlyList<CallFacts> Calls { get; init; } = [];

    /// <summary>Calls of tools that arrived.</summary>
    public IReadOnlyList<SendFacts> Sends { get; init; } = [];

    /// <summary>Calls of tools that were written down.</summary>
    public IReadOnlyList<LedgerFacts> Ledger { get; init; } = [];

    public IReadOnlyList<StepFacts> Steps { get; init; } = [];

    /// <summary>Ended jobs that let themselves be changed, of those tried.</summary>
    public IReadOnlyList<Guid> Changed { get; init; } = [];

    /// <summary>How many ended jobs were tried.</summary>
    public int Tried { get; init; }

    /// <summary>Deployments a call may be tried at.</summary>
    public int Deployments { get; init; } = 1;

    /// <summary>Open dead letters, as the Api tells operators.</summary>
    public long LettersTold { get; init; }

    /// <summary>Open dead letters there are.</summary>
    public long LettersOpen { get; init; }

    /// <summary>As the stack was configured.</summary>
    public TimeSpan AgeUpAfter { get; init; } = new QueueOptions().AgeUpAfter;

    public IReadOnlyDictionary<Guid, JobFacts> ById => field ??= Jobs.ToDictionary(job => job.Id);

    /// <summary>Operations of one kind that came to one end.</summary>
    public IEnumerable<HistoryEntry> Of(string op, Phase phase) => History.Where(entry => entry.Op == op && entry.Phase == phase);

    public bool HasEnded(Guid job) => ById.TryGetValue(job, out var facts) && facts.Status.IsTerminal();
}

/// <summary>What one invariant says of a run.</summary>
internal sealed record Finding(string Id, string Says, int Checked, IReadOnlyList<string> Violations)
{
    /// <summary>The run had nothing in it that could have broken the invariant: it neither holds nor not.</summary>
    public bool IsUndecided => Checked == 0 && Violations.Count == 0;

    /// <param name="id">Its number in the reliability paper.</param>
    /// <param name="says">What must hold.</param>
    /// <param name="items">What it must hold for.</param>
    /// <param name="violation">What is wrong with one, or null.</param>
    public static Finding Of<T>(string id, string says, IEnumerable<T> items, Func<T, string?> violation)
    {
        var all = items.ToList();
        return new(id, says, all.Count, [.. all.Select(violation).OfType<string>()]);
    }
}
