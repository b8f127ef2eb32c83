using System.ComponentModel.DataAnnotations;
using AiBackend.Core.Queue;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>How many jobs a worker runs and how it holds them. Section <c>Worker</c>; changes need a restart.</summary>
internal sealed class WorkerOptions
{
    public const string SectionName = "Worker";

    /// <summary>Names of the pools this process serves, with commas. Default: all of them.</summary>
    public string Pools { get; set; } = "";

    /// <summary>Slots of the pools besides the default one that this process serves; from <c>Queue:Pools</c>.</summary>
    internal int PooledSlots { get; set; }

    /// <summary>Jobs this process may run at once, of all pools.</summary>
    internal int AllSlots => ReadySlots + PooledSlots;

    /// <summary>Those of them that jobs of the default pool may take.</summary>
    internal int ReadySlots => Serves(QueuePools.Default) ? MaxConcurrentJobs : 0;

    /// <summary>Jobs of the default pool run at once by this process. Default 256: a model call mostly waits.</summary>
    [Range(1, 4096)]
    public int MaxConcurrentJobs { get; set; } = 256;

    /// <summary>Slots beyond those, for jobs of other models while one model fills them. Default: an eighth of them, none of fewer than 8.</summary>
    [Range(0, 4096)]
    public int? SpareSlots { get; set; }

    internal int Spare => Serves(QueuePools.Default) ? SpareSlots ?? MaxConcurrentJobs / 8 : 0;

    /// <summary>Slots beyond those, for looks of runs that no other slot is free for: a look takes no time, and waits for no model. Default 4.</summary>
    [Range(0, 256)]
    public int RunSlots { get; set; } = 4;

    internal int Looks => Serves(QueuePools.Default) ? RunSlots : 0;

    /// <summary>How long a look of a run waits for a tool that a step calls inline, and for all of them together before it leaves the others to jobs. Default 2.</summary>
    /// <remarks>It holds whatever time the tool has in a job: less or more.</remarks>
    [Range(1, 30)]
    public int InlineSeconds { get; set; } = 2;

    /// <summary>How long a claim lasts without renewal; also the longest wait before a dead worker's jobs run again. Default 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:15:00")]
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Time between renewals. Default 3 s; at most a third of <see cref="LeaseDuration"/>, so that two may fail.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:05:00")]
    public TimeSpan RenewalInterval { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Kept free at the end of a lease: a worker stops its own work before another may start. Default 2 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan LeaseSafetyMargin { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How often an idle worker looks for work it was not told of. Default 1 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:01:00")]
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Processes, one job in each, that the leading worker may start for jobs whose worker died twice. Default 2.</summary>
    [Range(1, 16)]
    public int QuarantineProcesses { get; set; } = 2;

    /// <summary>Whether this process takes jobs of a pool.</summary>
    internal bool Serves(string pool) => PoolNames is [] || PoolNames.Contains(pool, StringComparer.Ordinal);

    internal string[] PoolNames => Pools.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}

/// <summary>A worker that serves a pool which does not exist would stand idle in silence.</summary>
internal sealed class ServedPoolsValidator(QueuePools pools) : IValidateOptions<WorkerOptions>
{
    public ValidateOptionsResult Validate(string? name, WorkerOptions options)
    {
        var known = pools.Others.Select(pool => pool.Name).Prepend(QueuePools.Default).ToList();
        var unknown = options.PoolNames.Except(known, StringComparer.Ordinal).ToList();
        return unknown.Count == 0
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(
                $"Worker:Pools names '{string.Join("', '", unknown)}', which Queue:Pools does not. The pools are {string.Join(", ", known)}."
            );
    }
}

/// <summary>Rules between the values.</summary>
internal sealed class WorkerTimingValidator : IValidateOptions<WorkerOptions>
{
    public ValidateOptionsResult Validate(string? name, WorkerOptions options) =>
        options switch
        {
            _ when options.RenewalInterval * 3 > options.LeaseDuration => ValidateOptionsResult.Fail(
                $"Worker:RenewalInterval is {options.RenewalInterval} but may be at most a third of Worker:LeaseDuration "
                    + $"({options.LeaseDuration}). Lower the interval or lengthen the lease."
            ),
            _ when options.LeaseSafetyMargin + options.RenewalInterval >= options.LeaseDuration => ValidateOptionsResult.Fail(
                $"Worker:LeaseSafetyMargin is {options.LeaseSafetyMargin}; together with Worker:RenewalInterval ({options.RenewalInterval}) "
                    + $"it must stay below Worker:LeaseDuration ({options.LeaseDuration}). Lower the margin or lengthen the lease."
            ),
            _ => ValidateOptionsResult.Success,
        };
}
