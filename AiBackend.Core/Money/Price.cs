using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Core.Money;

/// <summary>What a deployment charges, in US dollars for a million tokens. A version never changes.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The provider's name of the model.</param>
/// <param name="Version">Counts the prices of the deployment from 1.</param>
/// <param name="ValidFrom">Calls that begin from then on cost this much.</param>
/// <param name="Rates">The amounts.</param>
public sealed record Price(string Provider, string Model, int Version, DateTimeOffset ValidFrom, PriceRates Rates)
{
    /// <summary>Public id of the API key that set it, or <see cref="Configuration"/>.</summary>
    public required string SetBy { get; init; }

    /// <summary>Stands for the settings in <see cref="SetBy"/>.</summary>
    public const string Configuration = "configuration";
}

/// <summary>US dollars for a million tokens.</summary>
/// <param name="Input">Tokens read.</param>
/// <param name="Cached">Those of them that the provider had cached.</param>
/// <param name="Output">Tokens written.</param>
/// <param name="Reasoning">Those of them that the model thought.</param>
public readonly record struct PriceRates(decimal Input, decimal Cached, decimal Output, decimal Reasoning)
{
    /// <summary>No model costs more; a larger number is a slip.</summary>
    public const decimal Most = 100_000;

    /// <summary>Decimals a price may have: then the cost of any call is exact.</summary>
    public const int Decimals = 9;

    /// <summary>What these tokens cost: exact, so that the costs of parts are the cost of the whole.</summary>
    /// <remarks>Cached tokens are among the input and reasoning among the output; a provider that counts more of them than there are is wrong.</remarks>
    public decimal CostOf(JobUsage usage)
    {
        var cached = Math.Clamp(usage.CachedTokens, 0, usage.InputTokens);
        var reasoning = Math.Clamp(usage.ReasoningTokens, 0, usage.OutputTokens);
        return ((usage.InputTokens - cached) * Input + cached * Cached + (usage.OutputTokens - reasoning) * Output + reasoning * Reasoning)
            / 1_000_000m;
    }

    /// <summary>What a call may cost, of whose tokens there are only estimates.</summary>
    public decimal EstimateOf(long input, long output) => (input * Input + output * Dearest) / 1_000_000m;

    /// <summary>Tokens that an answer may have at most for a call to cost no more than this; null when they cost nothing.</summary>
    public long? OutputWithin(decimal amount, long input) =>
        Dearest == 0 ? null : (long)Math.Max(1, Math.Floor((amount * 1_000_000m - input * Input) / Dearest));

    /// <summary>Of what an answer may consist of.</summary>
    private decimal Dearest => Math.Max(Output, Reasoning);
}
