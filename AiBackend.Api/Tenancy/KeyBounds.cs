using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Tenancy;

/// <summary>A key gives nothing that it does not have: not by making a key, not by changing one, not by rolling one.</summary>
internal static class KeyBounds
{
    /// <returns>Why the caller may not hand out a key that may do this, or null.</returns>
    public static Refusal? Check(Caller caller, KeyRecord wanted)
    {
        if (wanted.Scopes.FirstOrDefault(scope => scope == Policies.Everything ? !HasAll(caller) : !caller.Has(scope)) is { } scope)
        {
            return Beyond("scopes", $"the scope {Quoted.Of(scope)}, which the key {caller.KeyId} does not have.");
        }

        if (!AreWithin(wanted.AllowedModels, caller.AllowedModels, ModelList.Covers))
        {
            return Beyond("allowed_models", $"models that the key {caller.KeyId} may not ask for.");
        }

        if (!AreWithin(wanted.AllowedNetworks, caller.AllowedNetworks?.Select(network => network.ToString()), NetworkCovers))
        {
            return Beyond("allowed_networks", $"networks from which the key {caller.KeyId} is not accepted.");
        }

        if (caller.HighestPriority is { } highest && (wanted.HighestPriority ?? -1) < highest)
        {
            return Beyond("highest_priority", $"a more urgent priority than the key {caller.KeyId} may ask for.");
        }

        var own = caller.Limits;
        return
            IsMore(wanted.Limits.RequestsPerMinute, own.RequestsPerMinute)
            || IsMore(wanted.Limits.TokensPerMinute, own.TokensPerMinute)
            || IsMore(wanted.Limits.MaxQueued, own.MaxQueued)
            || IsMore(wanted.Limits.MaxRunning, own.MaxRunning)
            ? Beyond("limits", $"higher limits than the key {caller.KeyId} has.")
            : null;
    }

    /// <summary>A key cannot live on in one that it made: whoever stole it would keep it for ever.</summary>
    /// <param name="caller">Whose key hands out another one.</param>
    /// <param name="isAsked">Whether the request says how long that one should live.</param>
    /// <param name="expiresAt">When it would end; afterwards no later than the caller's own, where nothing else was asked for.</param>
    /// <returns>Why it may not live as long as was asked, or null.</returns>
    public static Refusal? BoundLife(Caller caller, bool isAsked, ref DateTimeOffset? expiresAt)
    {
        if (caller.ExpiresAt is not { } own || expiresAt <= own)
        {
            return null;
        }

        if (isAsked)
        {
            return ProblemTypes.BeyondOwnKey.At(
                "expires_in_days",
                $"The key would outlive the key {caller.KeyId}, which ends at {own:O}. Leave expires_in_days out, or sign in to make a key that lives on."
            );
        }

        expiresAt = own;
        return null;
    }

    private static bool HasAll(Caller caller) => caller.Scopes.Contains(Policies.Everything, StringComparer.Ordinal);

    private static bool IsMore(long? wanted, long? own) => own is not null && (wanted is null || wanted > own);

    private static bool AreWithin(IEnumerable<string>? wanted, IEnumerable<string>? own, Func<string, string, bool> covers) =>
        own is null || (wanted is not null && wanted.All(narrow => own.Any(wide => covers(wide, narrow))));

    private static bool NetworkCovers(string wide, string narrow)
    {
        var (outer, inner) = (System.Net.IPNetwork.Parse(wide), System.Net.IPNetwork.Parse(narrow));
        return outer.PrefixLength <= inner.PrefixLength && outer.Contains(inner.BaseAddress);
    }

    private static Refusal Beyond(string field, string what) => ProblemTypes.BeyondOwnKey.At(field, $"The key would have {what}");
}
