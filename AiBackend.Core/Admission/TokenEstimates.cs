using System.Collections.Concurrent;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Admission;

namespace AiBackend.Core.Admission;

/// <summary>Calls that are likely to use about the same.</summary>
/// <param name="Deployment">Provider and model.</param>
/// <param name="TenantId">Whose they are.</param>
/// <param name="Feature">What they are for; null when nobody said.</param>
internal readonly record struct EstimateKind(string Deployment, Guid TenantId, string? Feature);

/// <summary>
/// How many tokens a call will use: learned from what the last calls of the same tenant's feature used, or, while those are few, all calls
/// of the deployment. In this process.
/// </summary>
internal sealed class TokenEstimates
{
    // About right for English, and too much for code and numbers; what is reserved too much comes back when the call is settled.
    private const double CharactersPerToken = 4;
    private const int FirstOutput = 512;

    /// <summary>Kinds that are remembered, at about 4 kB each. Beyond that one that is not used any more gives way, or else any.</summary>
    private const int MostKinds = 2_000;

    private readonly ConcurrentDictionary<string, Learned> _deployments = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<EstimateKind, Learned> _kinds = new();

    internal int Kinds => _kinds.Count;

    public (long Input, long Output) Of(EstimateKind kind, CallSize size)
    {
        var own = _kinds.GetValueOrDefault(kind);
        var all = _deployments.GetValueOrDefault(kind.Deployment);
        var factor = own?.InputFactor.Value ?? all?.InputFactor.Value ?? 1;
        var input = Math.Ceiling(size.PromptCharacters / CharactersPerToken * factor);
        var output = Math.Ceiling(own?.Output.Value ?? all?.Output.Value ?? FirstOutput);
        return ((long)Math.Max(1, input), (long)Math.Max(1, Math.Min(output, MostOf(kind, size) ?? double.MaxValue)));
    }

    /// <summary>What an answer is billed for at most: the caller's bound, and what the provider has billed beyond it.</summary>
    /// <returns>Null when the caller sets none.</returns>
    public long? MostOf(EstimateKind kind, CallSize size) => size.MaxOutputTokens is { } most ? most + ExcessOf(kind) : null;

    /// <summary>What the provider has billed beyond the bounds that it was told.</summary>
    public long ExcessOf(EstimateKind kind) =>
        (long)
            Math.Max(
                0,
                Math.Ceiling(
                    _kinds.GetValueOrDefault(kind)?.Excess.Value ?? _deployments.GetValueOrDefault(kind.Deployment)?.Excess.Value ?? 0
                )
            );

    public void Learn(EstimateKind kind, CallSize size, JobUsage usage)
    {
        Learn(_deployments.GetOrAdd(kind.Deployment, static _ => new()), size, usage);
        if (!_kinds.TryGetValue(kind, out var own))
        {
            MakeRoom();
            own = _kinds.GetOrAdd(kind, static _ => new());
        }

        Learn(own, size, usage);
    }

    private static void Learn(Learned learned, CallSize size, JobUsage usage)
    {
        learned.IsUsed = true;
        learned.Output.Add(usage.OutputTokens);
        if (size.MaxOutputTokens is { } most)
        {
            learned.Excess.Add(usage.OutputTokens - most);
        }

        if (size.PromptCharacters > 0)
        {
            learned.InputFactor.Add(usage.InputTokens / (size.PromptCharacters / CharactersPerToken));
        }
    }

    /// <summary>A second chance for what was used since the last time there was no room.</summary>
    private void MakeRoom()
    {
        if (_kinds.Count < MostKinds)
        {
            return;
        }

        var removed = 0;
        foreach (var (kind, learned) in _kinds)
        {
            if (!learned.IsUsed && _kinds.TryRemove(kind, out _))
            {
                removed++;
            }

            learned.IsUsed = false;
        }

        if (removed == 0)
        {
            _kinds.TryRemove(_kinds.First().Key, out _);
        }
    }

    private sealed class Learned
    {
        public LatestQuantile InputFactor { get; } = new();

        public LatestQuantile Output { get; } = new();

        /// <summary>Tokens beyond what the call allowed; mostly less than none.</summary>
        public LatestQuantile Excess { get; } = new();

        public bool IsUsed { get; set; } = true;
    }
}

/// <summary>The value that nine in ten of the latest ones do not exceed.</summary>
internal sealed class LatestQuantile
{
    private const int Kept = 256;
    private const double Share = 0.9;

    /// <summary>With fewer than this many, nothing is known yet.</summary>
    private const int Enough = 8;

    /// <summary>New values before it is looked at again.</summary>
    private const int Stride = 8;

    private readonly Lock _gate = new();
    private readonly double[] _latest = new double[Kept];
    private int _count;

    /// <summary>Null until enough is known.</summary>
    public double? Value { get; private set; }

    public void Add(double value)
    {
        lock (_gate)
        {
            _latest[_count++ % Kept] = value;
            if (_count >= Enough && _count % Stride == 0)
            {
                var sorted = _latest.AsSpan(0, Math.Min(_count, Kept)).ToArray();
                Array.Sort(sorted);
                Value = sorted[(int)Math.Ceiling(sorted.Length * Share) - 1];
            }
        }
    }
}
