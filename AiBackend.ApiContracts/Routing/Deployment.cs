namespace AiBackend.ApiContracts.Routing;

/// <summary>A model at a provider, with all that holds for calls of it. Its key is never shown.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The provider's name of the model.</param>
/// <param name="Version">Counts its changes; 0 while the configuration alone decides.</param>
/// <param name="Source"><c>configuration</c> or <c>api</c>.</param>
/// <param name="Limits">What the provider allows it.</param>
/// <param name="Timeouts">How long calls of it may take.</param>
public sealed record Deployment(
    string Provider,
    string Model,
    int Version,
    string Source,
    DeploymentLimits Limits,
    DeploymentTimeouts Timeouts
)
{
    /// <summary>Tokens that prompt and answer may have together; null when it is not known.</summary>
    public long? ContextTokens { get; init; }

    /// <summary>Tokens that an answer may have whose caller sets no <c>max_output_tokens</c>, where a budget, <c>max_cost_usd</c> or a limit of a run holds.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>What it can do beyond text, for routes that require it.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary>True when no real model is behind it.</summary>
    public bool Simulated { get; init; }

    /// <summary>Whose key its calls use: <c>deployment</c>, <c>provider</c>, <c>configuration</c>, or <c>none</c>.</summary>
    public string? Credential { get; init; }

    /// <summary>What of its limits is used, over all workers; null when it was not called under limits.</summary>
    public DeploymentUse? Use { get; init; }

    /// <summary>When this version was made; null when the configuration decides.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>Public id of the API key that made it.</summary>
    public string? CreatedBy { get; init; }

    /// <summary>Whether this version took the deployment away, so that the configuration decides again.</summary>
    public bool Deleted { get; init; }
}

/// <summary>What was used of a deployment's limits, or is reserved, in the last 60 s.</summary>
/// <param name="Requests">Calls.</param>
/// <param name="InputTokens">Tokens of prompts.</param>
/// <param name="OutputTokens">Tokens of answers.</param>
/// <param name="ConcurrentCalls">Calls that are open now; counted where they are limited.</param>
public sealed record DeploymentUse(long Requests, long InputTokens, long OutputTokens, long ConcurrentCalls);

/// <summary>What holds for a deployment from now on. Replaces all of it; what is left out is as the provider's configuration has it.</summary>
public sealed record DeploymentRequest
{
    /// <summary>What the provider allows it.</summary>
    public DeploymentLimits? Limits { get; init; }

    /// <summary>How long calls of it may take.</summary>
    public DeploymentTimeouts? Timeouts { get; init; }

    /// <summary>Tokens that prompt and answer may have together. Calls that would not fit go to the next target of their route.</summary>
    public long? ContextTokens { get; init; }

    /// <summary>
    /// Tokens that an answer may have whose caller sets no <c>max_output_tokens</c>, where a budget, <c>max_cost_usd</c> or a limit of a run holds:
    /// they are asked of the provider and set aside. 1 to 1000000, 16384 when left out.
    /// </summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>What it can do beyond text, for routes that require it: 1 to 32 lower-case letters, digits, <c>-</c> and <c>_</c> each.</summary>
    public IReadOnlyList<string>? Capabilities { get; init; }
}

/// <summary>What a provider allows a deployment. Null is no limit.</summary>
public sealed record DeploymentLimits
{
    /// <summary>Calls in any 60 s.</summary>
    public long? RequestsPerMinute { get; init; }

    /// <summary>Tokens of prompts in any 60 s.</summary>
    public long? InputTokensPerMinute { get; init; }

    /// <summary>Tokens of answers in any 60 s.</summary>
    public long? OutputTokensPerMinute { get; init; }

    /// <summary>Tokens of both in any 60 s.</summary>
    public long? TokensPerMinute { get; init; }

    /// <summary>Calls at the same time.</summary>
    public long? ConcurrentCalls { get; init; }
}

/// <summary>How long calls of a deployment may take, in seconds from 0.05 to 86400.</summary>
public sealed record DeploymentTimeouts
{
    /// <summary>Until there is a connection.</summary>
    public double? ConnectSeconds { get; init; }

    /// <summary>From the start of the call to the first token.</summary>
    public double? FirstTokenSeconds { get; init; }

    /// <summary>Silence between two tokens.</summary>
    public double? IdleSeconds { get; init; }

    /// <summary>The whole call.</summary>
    public double? TotalSeconds { get; init; }
}

/// <summary>Deployments in order of preference, or the versions of one, newest first.</summary>
/// <param name="Data">All of them.</param>
public sealed record DeploymentList(IReadOnlyList<Deployment> Data);
