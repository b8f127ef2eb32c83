namespace AiBackend.Core.Jobs;

/// <summary>Codes that say why a job waits.</summary>
public static class WaitingReasons
{
    /// <summary>Its earliest start lies ahead.</summary>
    public const string Scheduled = "scheduled";

    /// <summary>Every slot is taken.</summary>
    public const string Capacity = "capacity";

    /// <summary>An attempt failed; the next one has a time.</summary>
    public const string Backoff = "backoff";
}
