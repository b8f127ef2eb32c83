using System.Text.RegularExpressions;
using AiBackend.Api.Contracts;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Routing;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using static System.FormattableString;

namespace AiBackend.Api.Routing;

/// <summary>What a route, a deployment and a key must look like.</summary>
internal sealed partial class RoutingRules(ProviderCatalog catalog, ContractFields contracts)
{
    public const int MaxTargets = 20;
    private const int MaxModelLength = 128;
    private const int MinKeyLength = 8;
    private const int MaxKeyLength = 512;
    private const long MostTokens = 1_000_000_000;

    public Refusal? Check(string name, RouteRequest route)
    {
        var errors = new FieldErrors();
        errors.CheckText("description", route.Description, 200);
        CheckCapabilities("requires", route.Requires, errors);
        if (route.Order is { } order && !RouteOrders.All.Contains(order, StringComparer.Ordinal))
        {
            errors.Add("order", $"is {Quoted.Of(order)}; it must be one of {string.Join(", ", RouteOrders.All)}.");
        }

        if (route.Stronger is { } stronger && (stronger == name || !catalog.Knows(stronger)))
        {
            errors.Add(
                "stronger",
                $"is {Quoted.Of(stronger)}; it must be another route or model that is known: {string.Join(", ", catalog.KnownModels)}."
            );
        }

        if (contracts.Check(route.Contract, errors) is { } refusal)
        {
            return refusal;
        }

        if (route.Targets is not { Count: >= 1 and <= MaxTargets } targets)
        {
            errors.Add("targets", Invariant($"has {route.Targets?.Count ?? 0} targets; send 1 to {MaxTargets}, in order of preference."));
            return errors.ToRefusal();
        }

        for (var i = 0; i < targets.Count; i++)
        {
            CheckTarget(Invariant($"targets[{i}]"), targets[i], route.Requires ?? [], errors);
        }

        if (!ProviderCatalog.IsAuto(name) && targets.Any(target => target?.When?.UnderPressure is true))
        {
            errors.Add(
                "targets",
                $"has under_pressure, which is for routes named '{ProviderCatalog.AutoRoute}' or '{ProviderCatalog.AutoRoute}-…' only: whoever asks for another name has not left the model to us."
            );
        }

        if (targets.All(target => target?.When is not null))
        {
            errors.Add("targets", "has conditions on every target, so that some jobs could go nowhere; leave 'when' out of at least one.");
        }

        return errors.ToRefusal();
    }

    /// <returns>Why the deployment cannot be: its provider is unknown, or its model has no name.</returns>
    public Refusal? CheckDeployment(string provider, string model) =>
        CheckProvider("provider", provider)
        ?? (
            model.Length is > 0 and <= MaxModelLength && !model.Any(char.IsControl)
                ? null
                : ProblemTypes.InvalidValue.At("model", $"The model is {Quoted.Of(model)}; its name has 1 to {MaxModelLength} characters.")
        );

    public static Refusal? Check(DeploymentRequest deployment)
    {
        var errors = new FieldErrors();
        if (deployment.Limits is { } limits)
        {
            errors.CheckRange("limits.requests_per_minute", limits.RequestsPerMinute, 1, MostTokens);
            errors.CheckRange("limits.input_tokens_per_minute", limits.InputTokensPerMinute, 1, MostTokens);
            errors.CheckRange("limits.output_tokens_per_minute", limits.OutputTokensPerMinute, 1, MostTokens);
            errors.CheckRange("limits.tokens_per_minute", limits.TokensPerMinute, 1, MostTokens);
            errors.CheckRange("limits.concurrent_calls", limits.ConcurrentCalls, 1, MostTokens);
        }

        if (deployment.Timeouts is { } timeouts)
        {
            errors.CheckRange("timeouts.connect_seconds", timeouts.ConnectSeconds, 0.05, 86_400);
            errors.CheckRange("timeouts.first_token_seconds", timeouts.FirstTokenSeconds, 0.05, 86_400);
            errors.CheckRange("timeouts.idle_seconds", timeouts.IdleSeconds, 0.05, 86_400);
            errors.CheckRange("timeouts.total_seconds", timeouts.TotalSeconds, 0.05, 86_400);
        }

        errors.CheckRange("context_tokens", deployment.ContextTokens, 1, MostTokens);
        errors.CheckRange("max_output_tokens", deployment.MaxOutputTokens, 1, 1_000_000);
        CheckCapabilities("capabilities", deployment.Capabilities, errors);
        return errors.ToRefusal();
    }

    public Refusal? Check(CredentialRequest credential)
    {
        if (credential.Provider is null)
        {
            return ProblemTypes.InvalidValue.At("provider", $"provider is missing. Known providers: {KnownProviders}.");
        }

        var refusal = credential.Model is { } model
            ? CheckDeployment(credential.Provider, model)
            : CheckProvider("provider", credential.Provider);
        // The value is never repeated: it may be a key with a blank too many.
        return refusal
            ?? (
                credential.Value is { Length: >= MinKeyLength and <= MaxKeyLength } value && value.All(letter => letter is > ' ' and <= '~')
                    ? null
                    : ProblemTypes.InvalidValue.At(
                        "value",
                        $"value is no key: it must have {MinKeyLength} to {MaxKeyLength} visible ASCII characters without blanks."
                    )
            );
    }

    /// <returns>Why a name can be no stored one, or null. A provider that is configured no more may still have a key to remove.</returns>
    public static Refusal? CheckStored(string field, string? name) =>
        name is null || !name.Any(char.IsControl)
            ? null
            : ProblemTypes.InvalidValue.At(field, $"{field} is {Quoted.Of(name)}; it has no control characters.");

    public Refusal? CheckProvider(string field, string provider) =>
        catalog.Providers.Any(each => each.Name == provider)
            ? null
            : ProblemTypes.InvalidValue.At(
                field,
                $"{field} is {Quoted.Of(provider)}, which is not configured here. Known providers: {KnownProviders}. Whoever runs the installation adds one with AIBACKEND_PROVIDERS__n__…"
            );

    private string KnownProviders => string.Join(", ", catalog.Providers.Select(provider => provider.Name));

    private void CheckTarget(string place, RouteTarget? target, IReadOnlyList<string> requires, FieldErrors errors)
    {
        if (target?.Provider is null || target.Model is null)
        {
            errors.Add(place, "needs a provider and a model.");
            return;
        }

        if (catalog.Find(target.Provider, target.Model) is not { } deployment)
        {
            errors.Add(
                place,
                $"is {Quoted.Of($"{target.Provider}/{target.Model}")}, which is no deployment here. Add it first with PUT /api/v1/deployments/{{provider}}/{{model}}, or use one of {string.Join(", ", catalog.Deployments.Select(each => each.FullName))}."
            );
            return;
        }

        if (requires.Except(deployment.Capabilities, StringComparer.Ordinal).ToList() is { Count: > 0 } lacking)
        {
            errors.Add(place, $"is {Quoted.Of(deployment.FullName)}, which lacks {string.Join(", ", lacking)} of what the route requires.");
        }

        CheckConditions(place + ".when", target.When, errors);
    }

    private static void CheckConditions(string place, TargetConditions? when, FieldErrors errors)
    {
        errors.CheckRange(place + ".input_tokens_above", when?.InputTokensAbove, 0, MostTokens);
        errors.CheckRange(place + ".input_tokens_at_most", when?.InputTokensAtMost, 1, MostTokens);
        errors.CheckRange(place + ".seconds_left_below", when?.SecondsLeftBelow, 0.1, 86_400);
        if (when?.InputTokensAtMost <= when?.InputTokensAbove)
        {
            errors.Add(place, "takes no call: input_tokens_at_most is not above input_tokens_above.");
        }

        if (when?.Priorities is { } priorities)
        {
            if (priorities.Count == 0)
            {
                errors.Add(place + ".priorities", "is empty, so that no call would be taken; leave it out for all priorities.");
            }

            foreach (var priority in priorities.Where(priority => priority is null || !JobTraitNames.TryParsePriority(priority, out _)))
            {
                var all = string.Join(", ", JobTraitNames.AllPriorities);
                errors.Add(place + ".priorities", $"has {Quoted.Of(priority ?? "null")}; known are {all}.");
            }
        }
    }

    private static void CheckCapabilities(string field, IReadOnlyList<string>? capabilities, FieldErrors errors)
    {
        if (capabilities?.Count > 20)
        {
            errors.Add(field, Invariant($"has {capabilities.Count} entries; at most 20 are allowed."));
        }

        foreach (var wrong in capabilities?.Where(each => each is null || !Capability().IsMatch(each)) ?? [])
        {
            errors.Add(field, $"has {Quoted.Of(wrong ?? "null")}; a capability has 1 to 32 lower-case letters, digits, '-' and '_'.");
        }
    }

    [GeneratedRegex("^[a-z0-9_-]{1,32}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Capability();
}
