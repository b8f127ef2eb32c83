using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Tests.Web;

/// <summary>Jobs as the Api would send them.</summary>
internal static class Jobs
{
    public static readonly DateTimeOffset CreatedAt = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public static Job Some(string status)
    {
        var id = Guid.CreateVersion7();
        return new Job
        {
            Id = id,
            Type = "chat",
            Status = status,
            Model = "default",
            Priority = "interactive",
            CreatedAt = CreatedAt,
            Attempt = 0,
            MaxAttempts = 5,
            Metadata = new Dictionary<string, string>(StringComparer.Ordinal),
            Links = JobLinks.Of(id),
        };
    }
}
