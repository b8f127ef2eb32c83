using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Limits;
using static System.FormattableString;

namespace AiBackend.Api.Auth.Limits;

/// <summary>Holds requests that submit work to the limits of their key, and says in their answers how much is left.</summary>
/// <remarks>
/// The headers are those of draft-ietf-httpapi-ratelimit-headers; the limits' names there are "rpm" and "tpm". Under /v1 they are OpenAI's.
/// </remarks>
internal sealed class KeyRateLimits(KeyAllowances allowances)
{
    /// <summary>Asks for leave, which is taken when there is.</summary>
    /// <param name="context">The request, whose answer gets the headers.</param>
    /// <param name="tokens">What the work is likely to use.</param>
    /// <returns>Why it is refused now, or null.</returns>
    public async ValueTask<Refusal?> TakeAsync(HttpContext context, long tokens)
    {
        var caller = context.User.GetCaller();
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
