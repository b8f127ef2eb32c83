using System.Text.RegularExpressions;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Core.Queue;

/// <summary>A class of jobs with slots of its own, so that what it does to its slots it does to no other. An entry of <c>Queue:Pools</c>.</summary>
public sealed class PoolOptions
{
    /// <summary>Lower-case letters, digits and hyphens; not <c>default</c>.</summary>
    public string Name { get; set; } = "";

    /// <summary>Models and routes whose jobs it takes, with commas; a <c>*</c> at the end stands for any rest.</summary>
    public string Models { get; set; } = "";

    /// <summary>Its jobs at once in one worker. Default 16.</summary>
    public int Slots { get; set; } = 16;

    internal string[] Patterns => Models.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}

/// <summary>Which pool a job belongs to, decided once, when it is submitted.</summary>
public sealed class QueuePools(IOptions<QueueOptions> options)
{
    /// <summary>The pool of every job whose model no other pool names.</summary>
    public const string Default = JobDraft.DefaultPool;

    /// <summary>The pools besides <see cref="Default"/>.</summary>
    public IReadOnlyList<PoolOptions> Others => options.Value.Pools;

    /// <summary>The first pool whose models include this one.</summary>
    public string PoolOf(string model) =>
        options.Value.Pools.Find(pool => Array.Exists(pool.Patterns, pattern => Matches(pattern, model)))?.Name ?? Default;

    private static bool Matches(string pattern, string model) =>
        pattern.EndsWith('*') ? model.StartsWith(pattern[..^1], StringComparison.Ordinal) : model == pattern;
}

/// <summary>Names that would be confused, and pools that would stay empty.</summary>
internal sealed partial class PoolsValidator : IValidateOptions<QueueOptions>
{
    public ValidateOptionsResult Validate(string? name, QueueOptions options)
    {
        var problems = options.Pools.SelectMany((pool, index) => ProblemsOf(pool, Invariant($"Queue:Pools:{index}"))).ToList();
        problems.AddRange(
            options
                .Pools.GroupBy(pool => pool.Name, StringComparer.Ordinal)
                .Where(twins => twins.Count() > 1)
                .Select(twins => $"Queue:Pools has the name '{twins.Key}' more than once. Give each pool its own name.")
        );
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<string> ProblemsOf(PoolOptions pool, string path)
    {
        if (!PoolName().IsMatch(pool.Name) || pool.Name == QueuePools.Default)
        {
            yield return $"{path}:Name is '{pool.Name}'; it takes 1 to 32 lower-case letters, digits and hyphens, and not '{QueuePools.Default}', which is the pool of all other jobs.";
        }

        if (pool.Patterns.Length == 0)
        {
            yield return $"{path}:Models is empty, so the pool '{pool.Name}' would never get a job. Name models, for example 'big-*, o3'.";
        }

        if (pool.Slots is < 1 or > 4096)
        {
            yield return Invariant($"{path}:Slots is {pool.Slots}; it takes 1 to 4096.");
        }
    }

    [GeneratedRegex("^[a-z0-9-]{1,32}$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PoolName();
}
