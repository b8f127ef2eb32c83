using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Admission;

/// <summary>How provider limits are counted. Section <c>Admission</c>; changes need a restart.</summary>
public sealed class AdmissionOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Admission";

    /// <summary>The time over which "per minute" is counted. Default 60 s; shorter ones are for measurements, which cannot wait for minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:01:00")]
    public TimeSpan Window { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a job may wait for a limit in its slot, before it goes back to the queue. Default 1 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:10")]
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(1);
}
