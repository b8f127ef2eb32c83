using System.Collections.ObjectModel;

namespace AiBackend.Core.Jobs.Versions;

/// <summary>Every shape in which inputs, outputs and events were ever stored. The one place for upcasters.</summary>
/// <remarks>
/// A member that an older reader may pass over is added within a version. What it must not pass over makes a new version
/// (<see cref="JobSchema.Version"/>): its reader then leaves such a job to a newer worker. Version 1 is the first, so nothing leads to it.
/// </remarks>
public sealed record StoredShapes
{
    /// <summary>What this build knows.</summary>
    public static StoredShapes Current { get; } = new();

    /// <summary>Inputs, as JSON.</summary>
    public Upcasters<string> Inputs { get; init; } = new(JobSchema.Version, ReadOnlyDictionary<short, Func<string, string>>.Empty);

    /// <summary>Outputs.</summary>
    public Upcasters<StoredOutput> Outputs { get; init; } =
        new(JobSchema.Version, ReadOnlyDictionary<short, Func<StoredOutput, StoredOutput>>.Empty);

    /// <summary>Events, with their kind.</summary>
    public Upcasters<JobEventRecord> Events { get; init; } =
        new(JobSchema.Version, ReadOnlyDictionary<short, Func<JobEventRecord, JobEventRecord>>.Empty);
}

/// <summary>An output as stored.</summary>
/// <param name="Text">The text.</param>
/// <param name="Missing">What a partial one lacks, and why.</param>
public sealed record StoredOutput(string Text, IReadOnlyList<string> Missing);
