namespace AiBackend.ApiContracts.Money;

/// <summary>A version of what a deployment charges, in US dollars for a million tokens. It never changes.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The provider's name of the model.</param>
/// <param name="Version">Counts the deployment's prices from 1.</param>
/// <param name="ValidFrom">Calls that begin from then on, until a later one, cost this much.</param>
/// <param name="InputPerMillion">Tokens read.</param>
/// <param name="CachedInputPerMillion">Those of them that the provider had cached.</param>
/// <param name="OutputPerMillion">Tokens written.</param>
/// <param name="ReasoningPerMillion">Those of them that the model thought.</param>
/// <param name="SetBy">Public id of the API key that set it, or <c>configuration</c>.</param>
public sealed record Price(
    string Provider,
    string Model,
    int Version,
    DateTimeOffset ValidFrom,
    decimal InputPerMillion,
    decimal CachedInputPerMillion,
    decimal OutputPerMillion,
    decimal ReasoningPerMillion,
    string SetBy
);

/// <summary>What a deployment charges from some moment on, in US dollars for a million tokens, at most nine decimals.</summary>
public sealed record PriceRequest
{
    /// <summary>Tokens read.</summary>
    public decimal? InputPerMillion { get; init; }

    /// <summary>Those of them that the provider had cached; as the others when left out.</summary>
    public decimal? CachedInputPerMillion { get; init; }

    /// <summary>Tokens written.</summary>
    public decimal? OutputPerMillion { get; init; }

    /// <summary>Those of them that the model thought; as the others when left out.</summary>
    public decimal? ReasoningPerMillion { get; init; }

    /// <summary>Not in the past; null is now.</summary>
    public DateTimeOffset? ValidFrom { get; init; }
}

/// <summary>Prices.</summary>
/// <param name="Data">By deployment and version.</param>
public sealed record PriceList(IReadOnlyList<Price> Data);
