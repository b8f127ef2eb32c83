using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>When dead letters call for a person. Section <c>DeadLetters</c>; changes need a restart.</summary>
public sealed class AlertOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "DeadLetters";

    /// <summary>Open dead letters of a tenant from which there are too many. Default 100.</summary>
    [Range(
        1,
        10_000_000,
        ErrorMessage = "DeadLetters:AlertDepth must be from 1 to 10000000 letters. Set DeadLetters__AlertDepth, or remove it for 100."
    )]
    public int AlertDepth { get; set; } = 100;

    /// <summary>Age of a tenant's oldest open dead letter from which it is too old. Default 24 h.</summary>
    [Range(
        typeof(TimeSpan),
        "00:01:00",
        "365.00:00:00",
        ErrorMessage = "DeadLetters:AlertAge must be from 00:01:00 to 365.00:00:00. Set DeadLetters__AlertAge, or remove it for one day."
    )]
    public TimeSpan AlertAge { get; set; } = TimeSpan.FromDays(1);

    /// <summary>How long a rule must not hold before its alert is over. Default 5 min: a cause that comes and goes is one alert.</summary>
    [Range(
        typeof(TimeSpan),
        "00:01:00",
        "1.00:00:00",
        ErrorMessage = "DeadLetters:AlertQuiet must be from 00:01:00 to 1.00:00:00. Set DeadLetters__AlertQuiet, or remove it for 5 minutes."
    )]
    public TimeSpan AlertQuiet { get; set; } = TimeSpan.FromMinutes(5);
}
