using System.Diagnostics;
using Names = AiBackend.Core.Jobs.Telemetry.JobTelemetryNames;

namespace AiBackend.Core.Jobs.Telemetry;

/// <summary>One span per attempt, a trace of its own that links to the request which submitted the job. Never content.</summary>
/// <remarks>A link and no parent: hours may lie between the two, and a retry would reopen a trace that was complete.</remarks>
public static class AttemptSpan
{
    private static readonly ActivitySource Source = new(Names.Source);

    /// <summary>Begins the span of an attempt; null when nobody listens.</summary>
    public static Activity? Start(ClaimedJob job)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        ActivityLink[] links = ActivityContext.TryParse(job.TraceParent, null, isRemote: true, out var submitted) ? [new(submitted)] : [];
        var span = Source.StartActivity($"process {job.Type.ToWire()}", ActivityKind.Consumer, parentContext: default, links: links);
        span?.SetTag(Names.System, "aibackend");
        span?.SetTag(Names.Operation, "process");
        span?.SetTag(Names.MessageId, job.Lease.JobId.ToString());
        span?.SetTag(Names.Type, job.Type.ToWire());
        span?.SetTag(Names.Attempt, job.Attempt);
        return span;
    }

    /// <summary>Says how the attempt ended.</summary>
    public static void Describe(this Activity span, AttemptEnd end)
    {
        span.SetTag(Names.Outcome, end.Outcome.ToWire());
        span.SetTag(Names.Status, end.Status.ToWire());
        if (end.Error is { } error)
        {
            span.SetTag(Names.ErrorType, error.Code);
            span.SetStatus(ActivityStatusCode.Error);
        }
    }
}
