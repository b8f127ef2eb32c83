using System.Diagnostics.Metrics;
using AiBackend.ApiContracts.Contracts;
using Names = AiBackend.Core.Jobs.Telemetry.JobTelemetryNames;

namespace AiBackend.Core.Jobs.Telemetry;

/// <summary>Measurements of jobs. Tags are closed sets: type, priority, outcome, final status, verdict, model.</summary>
public sealed class JobMetrics
{
    // From a millisecond to an hour: a job may wait for a person or for a batch window.
    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600],
    };

    private readonly Counter<long> _accepted;
    private readonly Histogram<double> _queueWait;
    private readonly Counter<long> _forecasts;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _attempt;
    private readonly Histogram<double> _endToEnd;
    private readonly Counter<long> _fencedWrites;
    private readonly Counter<long> _rescued;
    private readonly Counter<long> _checks;
    private readonly Counter<long> _contextCuts;
    private readonly Counter<long> _refusedTools;

    /// <summary>Creates the instruments.</summary>
    public JobMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Names.Source);
        _accepted = meter.CreateCounter<long>("aibackend.job.accepted", "{job}", "Jobs committed by this process; repeats do not count.");
        _queueWait = Histogram("aibackend.job.queue_wait", "Time from when an attempt could start to its claim.");
        _forecasts = meter.CreateCounter<long>(
            "aibackend.job.queue.forecasts",
            "{job}",
            "Jobs that were told how long they would wait, by whether they began within eta_p50, within eta_p90, or later; known when that attempt ends."
        );
        _firstToken = Histogram("aibackend.job.time_to_first_token", "Time from an attempt's claim to its first text.");
        _attempt = Histogram("aibackend.job.attempt.duration", "Time from an attempt's claim to its recorded end.");
        _endToEnd = Histogram("aibackend.job.end_to_end", "Time from acceptance to the recorded final state.");
        _fencedWrites = meter.CreateCounter<long>(
            "aibackend.job.fenced_writes",
            "{write}",
            "Writes refused because the lease had passed on."
        );
        _checks = meter.CreateCounter<long>("aibackend.contract.checks", "{check}", "Answers laid beside their contract.");
        _contextCuts = meter.CreateCounter<long>(
            "aibackend.job.context_cuts",
            "{call}",
            "Calls repeated with less of a conversation, because the model had no room for it."
        );
        _refusedTools = meter.CreateCounter<long>(
            "aibackend.tool.refused",
            "{call}",
            "Calls of tools that were asked for and not made, by why."
        );
        _rescued = meter.CreateCounter<long>("aibackend.job.rescued", "{job}", "Jobs taken back from a worker whose lease expired.");

        Histogram<double> Histogram(string name, string description) => meter.CreateHistogram(name, "s", description, advice: Seconds);
    }

    /// <summary>A job was committed.</summary>
    public void Accepted(JobType type) => _accepted.Add(1, Tag(type));

    /// <summary>Leases ran out and their jobs were taken back.</summary>
    public void Rescued(int count) => _rescued.Add(count);

    internal void Claimed(ClaimedJob job) => _queueWait.Record(job.QueueWait.TotalSeconds, Tag(job.Type));

    // An attempt that was only told to wait is part of the wait.
    private void CompareForecast(ClaimedJob job, AttemptEnd end)
    {
        if (job is { Eta: { } eta, HasBegun: false } && end.HasBegun)
        {
            var waited = job.Age.TotalSeconds;
            var within =
                waited <= eta.P50 ? "p50"
                : waited <= eta.P90 ? "p90"
                : "later";
            _forecasts.Add(1, new KeyValuePair<string, object?>(Names.Within, within));
        }
    }

    /// <summary>A model had no room for what was said before in a conversation.</summary>
    public void ContextCut(string model) => _contextCuts.Add(1, new KeyValuePair<string, object?>(Names.Model, model));

    /// <summary>A call of a tool is not made.</summary>
    /// <param name="reason">One of <see cref="ToolRefusals"/>.</param>
    public void ToolRefused(string reason) => _refusedTools.Add(1, new KeyValuePair<string, object?>(Names.Reason, reason));

    internal void FencedWrite() => _fencedWrites.Add(1);

    /// <summary>An attempt's end was recorded.</summary>
    public void Ended(ClaimedJob job, AttemptEnd end, TimeSpan elapsed)
    {
        _attempt.Record(elapsed.TotalSeconds, Tag(job.Type), new(Names.Outcome, end.Outcome.ToWire()));
        CompareForecast(job, end);
        for (var i = 0; i < end.Checks.Count; i++)
        {
            var check = end.Checks[i];
            var isFirstPass = i == 0 && check is { Verdict: Verdicts.Valid, Repaired.Count: 0 };
            _checks.Add(1, new(Names.Model, check.Model), new(Names.Verdict, check.Verdict), new(Names.FirstPass, isFirstPass));
        }

        if (end.FirstTokenAfter is { } firstToken)
        {
            _firstToken.Record(firstToken.TotalSeconds, Tag(job.Type));
        }

        if (end.Status.IsTerminal())
        {
            _endToEnd.Record((job.Age + elapsed).TotalSeconds, Tag(job.Type), new(Names.Status, end.Status.ToWire()));
        }
    }

    private static KeyValuePair<string, object?> Tag(JobType type) => new(Names.Type, type.ToWire());
}

/// <summary>Why calls of tools are not made.</summary>
public static class ToolRefusals
{
    /// <summary>There is no such tool any more, or not for the job's key.</summary>
    public const string NotThere = "not_there";

    /// <summary>The caller runs it, and it was asked for beside tools of ours.</summary>
    public const string Elsewhere = "elsewhere";

    /// <summary>The arguments are not what the tool takes.</summary>
    public const string Arguments = "arguments";

    /// <summary>Nobody approved it in time.</summary>
    public const string NotApproved = "not_approved";

    /// <summary>All of its calls of the minute are used up.</summary>
    public const string Rate = "rate";
}
