using System.Text.Json;

namespace AiBackend.Core.Workflows;

/// <summary>Where a step, or an item of a map, stands. The numbers are stored; never renumber.</summary>
public enum StepStatus : short
{
    /// <summary>Under way, or waiting.</summary>
    Running = 1,

    /// <summary>It has given what it gives.</summary>
    Succeeded = 2,

    /// <summary>It gives nothing.</summary>
    Failed = 3,

    /// <summary>It was not to be done.</summary>
    Skipped = 4,
}

/// <summary>A step, or an item of a map, that has begun.</summary>
/// <param name="Name">The step.</param>
/// <param name="Item">The item; null is the step itself.</param>
/// <param name="Status">Where it stands.</param>
public sealed record StepState(string Name, int? Item, StepStatus Status)
{
    /// <summary>The job that does it.</summary>
    public Guid? JobId { get; init; }

    /// <summary>When a timer ends, or a wait is given up.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>What it gave.</summary>
    public JsonElement? Output { get; init; }

    /// <summary>Why it failed, or what is missing of it.</summary>
    public string? Error { get; init; }
}
