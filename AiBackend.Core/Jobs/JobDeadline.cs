namespace AiBackend.Core.Jobs;

/// <summary>What is said of a job whose deadline passed while nobody worked on it, or whose worker was lost with its text.</summary>
internal static class JobDeadline
{
    public const string Message =
        "The deadline passed before the job could finish. Submit it again with a later deadline or a higher priority.";
}
