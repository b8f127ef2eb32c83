using System.Runtime.InteropServices;
using AiBackend.Simulator.Behaviours;

namespace AiBackend.Simulator.Limits;

/// <summary>The limits of one model: token buckets that refill over a minute, as OpenAI's do, and a count of calls at once.</summary>
internal sealed class RateLimits(TimeProvider clock)
{
    private readonly Lock _gate = new();
    private Bucket _requests;
    private Bucket _tokens;
    private int _running;

    /// <summary>Counts the call in, unless a limit refuses it; then nothing is counted.</summary>
    public LimitDecision Enter(SimBehaviour behaviour, int tokens)
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            _requests.Refill(behaviour.RequestsPerMinute, now, clock);
            _tokens.Refill(behaviour.TokensPerMinute, now, clock);

            var refusal =
                _running >= behaviour.MaxConcurrency ? new Refusal("concurrency", TimeSpan.FromSeconds(1))
                : _requests.WaitFor(1) is { } wait ? new Refusal("requests", wait)
                : _tokens.WaitFor(tokens) is { } longer ? new Refusal("tokens", longer)
                : null;
            if (refusal is null)
            {
                _running++;
                _requests.Take(1);
                _tokens.Take(tokens);
            }

            return new LimitDecision(_requests.State, _tokens.State, refusal);
        }
    }

    public void Leave()
    {
        lock (_gate)
        {
            _running--;
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Bucket
    {
        private int? _limit;
        private double _left;
        private long _at;

        public readonly BucketState? State =>
            _limit is { } limit ? new(limit, (int)_left, TimeSpan.FromMinutes((limit - _left) / limit)) : null;

        public void Refill(int? limit, long now, TimeProvider clock)
        {
            if (limit is not { } full)
            {
                _limit = null;
                return;
            }

            // A limit first seen, or changed by a header, starts full.
            _left = _limit == full ? Math.Min(full, _left + clock.GetElapsedTime(_at, now).TotalMinutes * full) : full;
            _limit = full;
            _at = now;
        }

        /// <summary>How long until there is enough.</summary>
        /// <returns>Null when there is. More than the whole bucket waits for a full one, and is then let through.</returns>
        public readonly TimeSpan? WaitFor(int amount) =>
            _limit is { } limit && _left < Math.Min(amount, limit) ? TimeSpan.FromMinutes((Math.Min(amount, limit) - _left) / limit) : null;

        public void Take(int amount) => _left -= _limit is null ? 0 : Math.Min(amount, _left);
    }
}

/// <summary>What the limits say to one call, and what its <c>x-ratelimit-*</c> headers say.</summary>
internal sealed record LimitDecision(BucketState? Requests, BucketState? Tokens, Refusal? Refusal);

/// <summary>How full a bucket is, and when it will be full again.</summary>
internal sealed record BucketState(int Limit, int Remaining, TimeSpan Reset);

/// <summary>Which limit refused, and when to come back.</summary>
internal sealed record Refusal(string Limit, TimeSpan RetryAfter);
