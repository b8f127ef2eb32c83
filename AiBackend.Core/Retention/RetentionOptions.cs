using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Retention;

/// <summary>How long ended jobs are kept. Section <c>Retention</c>; changes need a restart.</summary>
public sealed class RetentionOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Retention";

    /// <summary>
    /// How long an ended job can be read. Default 30 days; 0 keeps everything. Jobs go by the week of their submission, when the last
    /// of the week has ended that long ago.
    /// </summary>
    public TimeSpan Jobs { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How long after its end a job's deltas become one snapshot. Default 1 h; 0 keeps them.</summary>
    public TimeSpan CompactAfter { get; set; } = TimeSpan.FromHours(1);

    /// <summary>For how many weeks to come jobs have partitions: none is missing while no worker leads for as long. 1 to 52; default 4.</summary>
    [Range(1, 52)]
    public int WeeksAhead { get; set; } = 4;
}

/// <summary>Bounds of the values.</summary>
internal sealed class RetentionOptionsValidator : IValidateOptions<RetentionOptions>
{
    // An idempotency key lives for 24 hours, and its repeats are answered with the job.
    private static readonly TimeSpan Shortest = TimeSpan.FromDays(2);

    // Ids are made before their jobs are committed, and the watermark must not pass one in between.
    private static readonly TimeSpan ShortestCompaction = TimeSpan.FromMinutes(1);

    public ValidateOptionsResult Validate(string? name, RetentionOptions options) =>
        options.CompactAfter != TimeSpan.Zero && options.CompactAfter < ShortestCompaction
            ? ValidateOptionsResult.Fail(
                $"Retention:CompactAfter is {options.CompactAfter} but must be at least {ShortestCompaction}, or 0 to keep every event. Lengthen it."
            )
        : options.Jobs != TimeSpan.Zero && options.Jobs < Shortest
            ? ValidateOptionsResult.Fail(
                $"Retention:Jobs is {options.Jobs} but must be at least {Shortest}, so that an Idempotency-Key outlives no job, or 0 to keep "
                    + "everything. Lengthen it; 30.00:00:00 is 30 days."
            )
        : ValidateOptionsResult.Success;
}
