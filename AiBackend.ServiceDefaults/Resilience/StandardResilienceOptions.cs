namespace AiBackend.ServiceDefaults;

/// <summary>How one named client treats a service that is slow or away. Times cover a call until its response headers.</summary>
public sealed class StandardResilienceOptions
{
    /// <summary>All attempts and the waits between them. Default 15 s.</summary>
    public TimeSpan TotalTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>One attempt. Default 5 s.</summary>
    public TimeSpan AttemptTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Attempts after the first, for calls that may be repeated. Default 3; 0 turns retries off.</summary>
    public int MaxRetryCount { get; set; } = 3;

    /// <summary>First wait; later ones grow exponentially, with jitter. A Retry-After header replaces it. Default 200 ms.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How long calls are refused at once after at least half of twenty within 30 s failed. Default 5 s.</summary>
    public TimeSpan BreakDuration { get; set; } = TimeSpan.FromSeconds(5);
}
