using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Core.Controls.Caps;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Limits;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.Auth.Limits;

/// <summary>Holds keys to their limits, and says in the answers to requests that submit work how much is left.</summary>
/// <remarks>
/// The headers are those of draft-ietf-httpapi-ratelimit-headers; the limits' names there are "rpm" and "tpm". Under /v1 they are OpenAI's.
/// </remarks>
internal sealed class KeyRateLimits(KeyAllowances allowances, QueueCaps caps, IOptions<KeyLimitOptions> defaults, TimeProvider clock)
{
    private static readonly TimeSpan StreamPause = TimeSpan.FromSeconds(10);

    private readonly MinuteCounts<string> _counts = new(clock);

    /// <summary>How many streams of one key may be open here.</summary>
    public int MostStreams => defaults.Value.OpenStreamsPerKey!.Value;

    /// <summary>What a key is told that has as many.</summary>
    public Refusal TooManyStreams(string keyId) =>
        ProblemTypes.KeyLimitReached.With(
            Invariant($"The key {keyId} has used up its limit open_streams, which is {MostStreams}. Close some, or ask without a stream.")
        ) with
        {
            RetryAfter = StreamPause,
        };

    /// <summary>Asks for leave, which is taken when there is.</summary>
    /// <param name="context">The request, whose answer gets the headers.</param>
    /// <param name="tokens">What the work is likely to use.</param>
    /// <param name="mayWait">Whether it may have to wait in line.</param>
    /// <returns>Why it is refused now, or null.</returns>
    public async ValueTask<Refusal?> TakeAsync(HttpContext context, long tokens, bool mayWait)
    {
        var caller = context.User.GetCaller();
        // Lines of a batch, which come from no endpoint, were one request; how many of them wait is bounded where they are handed over.
        var isRequest = context.GetEndpoint() is not null;
        if (isRequest && RefuseByDefault(context.Response, caller) is { } tooMany)
        {
            return tooMany;
        }

        var queue = mayWait ? QueueOf(caller, isRequest) : null;
        if (caller.Limits == KeyLimits.None && queue is null)
        {
            return null;
        }

        var state = await allowances.TakeAsync(caller, tokens, queue);
        if (OpenAiAddress.Is(context.Request))
        {
            OpenAiLimits.Tell(context.Response, state);
        }
        else
        {
            Tell(context.Response, state);
        }

        return state.Exceeded is { } limit ? Reached(caller, limit, state.Most, state.RetryAfter) : null;
    }

    /// <summary>Counted in memory, so that a key without a limit of its own costs no statement.</summary>
    private Refusal? RefuseByDefault(HttpResponse response, Caller caller)
    {
        if (caller.Limits.RequestsPerMinute is not null || defaults.Value.KeyRequestsPerMinute is not ({ } most and > 0))
        {
            return null;
        }

        var (taken, wait) = _counts.Add(caller.KeyId);
        if (taken <= most)
        {
            return null;
        }

        UsedUp.Tell(response, "rpm", most, wait);
        return Reached(caller, "requests_per_minute", most, wait);
    }

    /// <summary>A key is counted by default only where its whole tenant has as many jobs that wait.</summary>
    private QueueLimit? QueueOf(Caller caller, bool isRequest) =>
        caller.Limits.MaxQueued is { } own ? new(own, IsOwn: true)
        : isRequest && defaults.Value.KeyMaxQueued is { } most and > 0 && caps.WaitingOf(caller.TenantId) >= most ? new(most, IsOwn: false)
        : null;

    private static Refusal Reached(Caller caller, string limit, long most, TimeSpan wait) =>
        ProblemTypes.KeyLimitReached.With(
            Invariant(
                $"The key {caller.KeyId} has used up its limit {limit}, which is {most}. Nothing was accepted; send it again later, or have the limit raised."
            )
        ) with
        {
            RetryAfter = wait,
        };

    private static void Tell(HttpResponse response, KeyLimitState state)
    {
        (string Name, KeyLimitView? View)[] limits = [("rpm", state.Requests), ("tpm", state.Tokens)];
        var told = limits.Where(limit => limit.View is not null).ToList();
        if (told.Count == 0)
        {
            return;
        }

        response.Headers["RateLimit-Policy"] = string.Join(
            ", ",
            told.Select(limit => Invariant($"\"{limit.Name}\";q={limit.View!.Limit};w=60"))
        );
        response.Headers["RateLimit"] = string.Join(
            ", ",
            told.Select(limit =>
                Invariant($"\"{limit.Name}\";r={limit.View!.Remaining};t={Math.Ceiling(limit.View.ResetsIn.TotalSeconds)}")
            )
        );
    }
}
