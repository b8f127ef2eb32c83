using AiBackend.ApiContracts.Contracts;

namespace AiBackend.ApiContracts.Routing;

/// <summary>A name that jobs ask for as <c>model</c>, and the deployments that answer to it.</summary>
/// <param name="Name">As in <c>model</c>.</param>
/// <param name="Version">Counts its changes; 0 while the configuration alone decides.</param>
/// <param name="Source"><c>configuration</c> or <c>api</c>.</param>
/// <param name="Targets">In order of preference.</param>
public sealed record ModelRoute(string Name, int Version, string Source, IReadOnlyList<RouteTarget> Targets)
{
    /// <summary>What it is for, for people.</summary>
    public string? Description { get; init; }

    /// <summary><c>listed</c>: targets are asked as they are listed; <c>cheapest</c>: whoever would cost least for the call first.</summary>
    public string Order { get; init; } = RouteOrders.Listed;

    /// <summary>Capabilities that every target must have.</summary>
    public IReadOnlyList<string> Requires { get; init; } = [];

    /// <summary>The route or model that is asked when an answer keeps breaking its contract; null is none.</summary>
    public string? Stronger { get; init; }

    /// <summary>What answers of this route must be where a job has no contract of its own; null is anything.</summary>
    public OutputContract? Contract { get; init; }

    /// <summary>When this version was made; null when the configuration decides.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>Public id of the API key that made it.</summary>
    public string? CreatedBy { get; init; }

    /// <summary>Whether this version took the route away, so that the configuration decides again.</summary>
    public bool Deleted { get; init; }
}

/// <summary>What a route is to be from now on. Replaces all of it.</summary>
public sealed record RouteRequest
{
    /// <summary>What it is for, for people; at most 200 characters.</summary>
    public string? Description { get; init; }

    /// <summary>One of <see cref="RouteOrders"/>; left out, as listed. Targets without a price stand last among the cheapest.</summary>
    public string? Order { get; init; }

    /// <summary>Capabilities that every target must have.</summary>
    public IReadOnlyList<string>? Requires { get; init; }

    /// <summary>The route or model that is asked when an answer keeps breaking its contract; null is none.</summary>
    public string? Stronger { get; init; }

    /// <summary>What answers of this route must be where a job has no contract of its own; null is anything.</summary>
    public OutputContract? Contract { get; init; }

    /// <summary>In order of preference, 1 to 20. At least one has no <c>when</c>, so that every job has somewhere to go.</summary>
    public IReadOnlyList<RouteTarget>? Targets { get; init; }
}

/// <summary>In which order a route's targets are asked.</summary>
public static class RouteOrders
{
    /// <summary>As they are listed.</summary>
    public const string Listed = "listed";

    /// <summary>Whoever would cost least for the call first, by its price and the estimated tokens.</summary>
    public const string Cheapest = "cheapest";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Listed, Cheapest];
}

/// <summary>A deployment as a stop of a route.</summary>
public sealed record RouteTarget
{
    /// <summary>The provider's configured name.</summary>
    public string? Provider { get; init; }

    /// <summary>The provider's name of the model.</summary>
    public string? Model { get; init; }

    /// <summary>Only for calls for which all of this holds; null is for every call.</summary>
    public TargetConditions? When { get; init; }
}

/// <summary>Which calls a target is for. What is left out does not matter.</summary>
public sealed record TargetConditions
{
    /// <summary>The prompt is estimated at more than so many tokens.</summary>
    public long? InputTokensAbove { get; init; }

    /// <summary>The prompt is estimated at so many tokens or fewer.</summary>
    public long? InputTokensAtMost { get; init; }

    /// <summary>The job has one of these priorities.</summary>
    public IReadOnlyList<string>? Priorities { get; init; }

    /// <summary>The job's deadline is nearer than so many seconds: for a faster model.</summary>
    public double? SecondsLeftBelow { get; init; }

    /// <summary>
    /// Interactive jobs wait for longer than their goal, and the job is among those that make room for them: for a faster model. Only in
    /// routes that are named <c>auto</c> or <c>auto-…</c>.
    /// </summary>
    public bool? UnderPressure { get; init; }
}

/// <summary>Routes by name, or the versions of one, newest first.</summary>
/// <param name="Data">All of them.</param>
public sealed record RouteList(IReadOnlyList<ModelRoute> Data);
