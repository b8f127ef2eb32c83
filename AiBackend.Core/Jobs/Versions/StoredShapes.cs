using System.Collections.ObjectModel;

namespace AiBackend.Core.Jobs.Versions;

/// <summary>Every shape in which inputs, outputs and events were ever stored. The one place for upcasters.</summary>
/// <remarks>
/// A member that an older reader may pass over is added within a version. What it must not pass over makes a new version
/// (<see cref="JobSchema.Version"/>): its reader then leaves such a job to a newer worker. Version 1 is the first, so nothing leads to it.
/// Version 2 added tools, formats and what else a chat may ask for, version 3 terms, and version 4 files, and steps that call tools or ask
/// people; of the versions before they changed nothing.
/// </remarks>
public sealed record StoredShapes
{
    /// <summary>What this build knows.</summary>
    public static StoredShapes Current { get; } = new();

    /// <summary>Inputs, as JSON.</summary>
    public Upcasters<string> Inputs { get; init; } = new(JobSchema.Version, Same<string>());

    /// <summary>Outputs.</summary>
    public Upcasters<StoredOutput> Outputs { get; init; } = new(JobSchema.Version, Same<StoredOutput>());

    /// <summary>Events, with their kind.</summary>
    public Upcasters<JobEventRecord> Events { get; init; } = new(JobSchema.Version, Same<JobEventRecord>());

    private static ReadOnlyDictionary<short, Func<T, T>> Same<T>() =>
        new(
            new Dictionary<short, Func<T, T>>
            {
                [1] = stored => stored,
                [2] = stored => stored,
                [3] = stored => stored,
            }
        );
}

/// <summary>An output as stored.</summary>
/// <param name="Text">The text.</param>
/// <param name="Missing">What a partial one lacks, and why.</param>
public sealed record StoredOutput(string Text, IReadOnlyList<string> Missing)
{
    /// <summary>Tools that the model asked for, as JSON; null when there are none.</summary>
    public string? ToolCalls { get; init; }

    /// <summary>Why it is over; null when nobody said.</summary>
    public string? FinishReason { get; init; }
}
