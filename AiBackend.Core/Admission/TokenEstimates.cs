using System.Collections.Concurrent;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Admission;

namespace AiBackend.Core.Admission;

/// <summary>How many tokens a call will use: learned, for each deployment, from what its last calls used. In this process.</summary>
internal sealed class TokenEstimates
{
    // About right for English, and too much for code and numbers; what is reserved too much comes back when the call is settled.
    private const double CharactersPerToken = 4;
    private const int FirstOutput = 512;

    private readonly ConcurrentDictionary<string, Learned> _learned = new(StringComparer.Ordinal);

    public (long Input, long Output) Of(string deployment, CallSize size)
    {
        var learned = _learned.GetValueOrDefault(deployment);
        var input = Math.Ceiling(size.PromptCharacters / CharactersPerToken * (learned?.InputFactor.Value ?? 1));
        var output = Math.Ceiling(learned?.Output.Value ?? FirstOutput);
        return ((long)Math.Max(1, input), (long)Math.Max(1, Math.Min(output, size.MaxOutputTokens ?? double.MaxValue)));
    }

    public void Learn(string deployment, CallSize size, JobUsage usage)
    {
        var learned = _learned.GetOrAdd(deployment, static _ => new());
        learned.Output.Add(usage.OutputTokens);
        if (size.PromptCharacters > 0)
        {
            learned.InputFactor.Add(usage.InputTokens / (size.PromptCharacters / CharactersPerToken));
        }
    }

    private sealed class Learned
    {
        public LatestQuantile InputFactor { get; } = new();

        public LatestQuantile Output { get; } = new();
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
