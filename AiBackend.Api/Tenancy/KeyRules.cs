using System.Net;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Tenancy;

/// <summary>What a key may be.</summary>
internal static class KeyRules
{
    /// <summary>Leaves the priority to the tenant's tier.</summary>
    private const string OfTier = "tier";

    private const int DefaultDays = 90;
    private const int MostDays = 3650;
    private const int MostModels = 100;
    private const int MostNetworks = 50;
    private const long MostLimit = 1_000_000_000_000;
    private const long MostOverlap = 30 * 24 * 60 * 60;
    private const long DefaultOverlap = 24 * 60 * 60;

    /// <returns>Why there can be no such key, or null; then <paramref name="wanted"/> is set, but for its id.</returns>
    public static Refusal? CheckNew(CreateKeyRequest request, Guid tenantId, string createdBy, DateTimeOffset now, out KeyRecord wanted)
    {
        var errors = new FieldErrors();
        if (string.IsNullOrWhiteSpace(request.Name))
        {
            errors.Add("name", "is missing; say what the key is for.");
        }

        CheckScopes(request.Scopes, errors);
        var change = new ChangeKeyRequest
        {
            Name = request.Name,
            HighestPriority = request.HighestPriority,
            AllowedModels = request.AllowedModels,
            AllowedNetworks = request.AllowedNetworks,
            Limits = request.Limits,
        };
        wanted = Apply(
            change,
            new KeyRecord
            {
                Id = "",
                TenantId = tenantId,
                Name = request.Name ?? "",
                Scopes = [.. (request.Scopes ?? []).Distinct(StringComparer.Ordinal)],
                CreatedBy = createdBy,
                ExpiresAt = ReadExpiry(request.ExpiresInDays, now, errors),
            },
            errors
        );
        return errors.ToRefusal();
    }

    /// <returns>Why it cannot be changed so, or null; then <paramref name="wanted"/> is set.</returns>
    public static Refusal? CheckChange(ChangeKeyRequest request, KeyRecord key, out KeyRecord wanted)
    {
        var errors = new FieldErrors();
        wanted = Apply(request, key, errors);
        return errors.ToRefusal();
    }

    /// <returns>Why it cannot be rolled so, or null.</returns>
    public static Refusal? CheckRoll(RollKeyRequest request, DateTimeOffset now, out TimeSpan overlap, out DateTimeOffset? expiresAt)
    {
        var errors = new FieldErrors();
        errors.CheckRange("overlap_seconds", request.OverlapSeconds, 0, MostOverlap);
        expiresAt = ReadExpiry(request.ExpiresInDays, now, errors);
        overlap = TimeSpan.FromSeconds(Math.Clamp(request.OverlapSeconds ?? DefaultOverlap, 0, MostOverlap));
        return errors.ToRefusal();
    }

    private static DateTimeOffset? ReadExpiry(int? days, DateTimeOffset now, FieldErrors errors)
    {
        errors.CheckRange("expires_in_days", days, 0, MostDays);
        return days == 0 ? null : now.AddDays(Math.Clamp(days ?? DefaultDays, 1, MostDays));
    }

    private static void CheckScopes(IReadOnlyList<string>? scopes, FieldErrors errors)
    {
        var known = string.Join(", ", Policies.Scopes);
        if (scopes is null or { Count: 0 })
        {
            errors.Add("scopes", $"is missing; name what the key may do: {known}, or {Policies.Everything} for all of them.");
        }
        else if (scopes.FirstOrDefault(scope => scope != Policies.Everything && !Policies.Scopes.Contains(scope)) is { } unknown)
        {
            errors.Add("scopes", $"has {Quoted.Of(unknown)}; known are {known} and {Policies.Everything}.");
        }
    }

    private static KeyRecord Apply(ChangeKeyRequest change, KeyRecord key, FieldErrors errors)
    {
        errors.CheckText("name", change.Name, 100);
        CheckModels(change.AllowedModels, errors);
        var limits = change.Limits;
        return key with
        {
            Name = change.Name ?? key.Name,
            HighestPriority = ReadPriority(change.HighestPriority, key.HighestPriority, errors),
            AllowedModels = Listed(change.AllowedModels, key.AllowedModels),
            AllowedNetworks = Listed(ReadNetworks(change.AllowedNetworks, errors), key.AllowedNetworks),
            Limits = new KeyLimits(
                ReadLimit("limits.requests_per_minute", limits?.RequestsPerMinute, key.Limits.RequestsPerMinute, errors),
                ReadLimit("limits.tokens_per_minute", limits?.TokensPerMinute, key.Limits.TokensPerMinute, errors),
                ReadLimit("limits.max_queued", limits?.MaxQueued, key.Limits.MaxQueued, errors),
                ReadLimit("limits.max_running", limits?.MaxRunning, key.Limits.MaxRunning, errors)
            ),
        };
    }

    private static short? ReadPriority(string? name, short? has, FieldErrors errors)
    {
        if (name is null or OfTier)
        {
            return name is null ? has : null;
        }

        if (!JobTraitNames.TryParsePriority(name, out var priority))
        {
            errors.Add(
                "highest_priority",
                $"is {Quoted.Of(name)}; it must be one of {string.Join(", ", JobTraitNames.AllPriorities)}, or {OfTier}."
            );
        }

        return (short)priority;
    }

    private static void CheckModels(IReadOnlyList<string>? models, FieldErrors errors)
    {
        if (models?.Count > MostModels)
        {
            errors.Add("allowed_models", $"has {models.Count} names; at most {MostModels} are allowed.");
        }
        else if (
            models?.FirstOrDefault(model => model.Length is 0 or > 128 || model.IndexOf('*') is >= 0 and var at && at < model.Length - 1) is
            { } bad
        )
        {
            errors.Add("allowed_models", $"has {Quoted.Of(bad)}; names have 1 to 128 characters, and a * only at the end.");
        }
    }

    private static List<string>? ReadNetworks(IReadOnlyList<string>? networks, FieldErrors errors)
    {
        if (networks?.Count > MostNetworks)
        {
            errors.Add("allowed_networks", $"has {networks.Count} networks; at most {MostNetworks} are allowed.");
        }

        var read = networks is null ? null : new List<string>();
        foreach (var text in networks ?? [])
        {
            // A single address is a network of one.
            if (IPAddress.TryParse(text, out var address))
            {
                read!.Add(new IPNetwork(address, address.GetAddressBytes().Length * 8).ToString());
            }
            else if (IPNetwork.TryParse(text, out var network))
            {
                read!.Add(network.ToString());
            }
            else
            {
                errors.Add(
                    "allowed_networks",
                    $"has {Quoted.Of(text)}, which is no network in CIDR notation, such as 203.0.113.0/24 or 2001:db8::/32."
                );
            }
        }

        return read;
    }

    private static IReadOnlyList<string>? Listed(IReadOnlyList<string>? wanted, IReadOnlyList<string>? has) =>
        wanted is null ? has
        : wanted.Count == 0 ? null
        : [.. wanted.Distinct(StringComparer.Ordinal)];

    private static long? ReadLimit(string field, long? wanted, long? has, FieldErrors errors)
    {
        errors.CheckRange(field, wanted, 0, MostLimit);
        return wanted is null ? has
            : wanted == 0 ? null
            : wanted;
    }
}
