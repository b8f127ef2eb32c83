namespace AiBackend.Core.Jobs.Telemetry;

/// <summary>Names of the OpenTelemetry semantic conventions for messaging, 1.37 (status: development), and our own.</summary>
internal static class JobTelemetryNames
{
    /// <summary>Both the activity source and the meter.</summary>
    public const string Source = "AiBackend.Jobs";

    public const string System = "messaging.system";
    public const string Operation = "messaging.operation.type";
    public const string MessageId = "messaging.message.id";
    public const string ErrorType = "error.type";

    public const string Type = "aibackend.job.type";
    public const string Attempt = "aibackend.job.attempt";
    public const string Status = "aibackend.job.status";
    public const string Outcome = "aibackend.job.attempt.outcome";
    public const string Priority = "aibackend.job.priority";
    public const string Pool = "aibackend.job.pool";
    public const string Model = "gen_ai.request.model";
    public const string Verdict = "aibackend.contract.verdict";
    public const string FirstPass = "aibackend.contract.first_pass";
    public const string Reason = "reason";
    public const string Within = "aibackend.job.queue.within";
}
