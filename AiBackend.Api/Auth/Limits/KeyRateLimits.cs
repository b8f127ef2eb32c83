using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Limits;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.Auth.Limits;

/// <summary>Holds keys to their limits, and says in the answers to requests that submit work how much is left.</summary>
/// <remarks>
/// The headers are those of draft-ietf-httpapi-ratelimit-headers; the limits' names there are "rpm" and "tpm". Under /v1 they are OpenAI's.
/// </remarks>
internal sealed class KeyRateLimits(KeyAllowances allowances, IOptions<KeyLimitOptions> defaults)
{
    private static readonly TimeSpan StreamPause = TimeSpan.FromSeconds(10);

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
    /// <returns>Why it is refused now, or null.</returns>
    public async ValueTask<Refusal?> TakeAsync(HttpContext context, long tokens)
    {
        var caller = context.User.GetCaller();
        // Lines of a batch, which come from no endpoint, were one request; how many of them wait is bounded where they are handed over.
        if (context.GetEndpoint() is not null)
        {
            caller = caller with { Limits = WithDefaults(caller.Limits) };
        }

        if (caller.Limits == KeyLimits.None)
        {
            return null;
        }

        var state = await allowances.TakeAsync(caller, tokens);
        if (OpenAiAddress.Is(context.Request))
        {
            OpenAiLimits.Tell(context.Response, state);
        }
        else
        {
            Tell(context.Response, state);
        }

        return state.Exceeded is { } limit
            ? ProblemTypes.KeyLimitReached.With(
                Invariant(
                    $"The key {caller.KeyId} has used up its limit {limit}, which is {state.Most}. Nothing was accepted; send it again later, or have the limit raised."
                )
            ) with
            {
                RetryAfter = state.RetryAfter,
            }
            : null;
    }

    private KeyLimits WithDefaults(KeyLimits own) =>
        own with
        {
            RequestsPerMinute = own.RequestsPerMinute ?? OrNone(defaults.Value.KeyRequestsPerMinute),
            MaxQueued = own.MaxQueued ?? OrNone(defaults.Value.KeyMaxQueued),
        };

    private static long? OrNone(long? limit) => limit is 0 ? null : limit;

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
