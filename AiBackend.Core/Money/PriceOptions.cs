using System.Globalization;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Money;

/// <summary>Prices that an installation begins with. Section <c>Money</c>; changes need a restart.</summary>
public sealed class PriceOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Money";

    /// <summary>Each becomes a version when it differs from the last one that configuration set. Default: none.</summary>
    public IList<ConfiguredPrice> Prices { get; init; } = [];

    /// <summary>How long the daily sums of costs are kept. Default 400 days.</summary>
    public TimeSpan KeepUsage { get; set; } = TimeSpan.FromDays(400);
}

/// <summary>A price in the settings, in US dollars for a million tokens.</summary>
public sealed class ConfiguredPrice
{
    /// <summary>The provider's configured name.</summary>
    public string Provider { get; set; } = "";

    /// <summary>The provider's name of the model.</summary>
    public string Model { get; set; } = "";

    /// <summary>Tokens read.</summary>
    public decimal? Input { get; set; }

    /// <summary>Tokens read that the provider had cached; those of <see cref="Input"/> when left out.</summary>
    public decimal? Cached { get; set; }

    /// <summary>Tokens written.</summary>
    public decimal? Output { get; set; }

    /// <summary>Tokens written in thinking; those of <see cref="Output"/> when left out.</summary>
    public decimal? Reasoning { get; set; }

    internal PriceRates Rates => new(Input ?? 0, Cached ?? Input ?? 0, Output ?? 0, Reasoning ?? Output ?? 0);
}

internal sealed class PriceOptionsValidator : IValidateOptions<PriceOptions>
{
    public ValidateOptionsResult Validate(string? name, PriceOptions options)
    {
        var problems = options.Prices.SelectMany(Problems).ToList();
        if (options.KeepUsage < TimeSpan.FromDays(1) || options.KeepUsage > TimeSpan.FromDays(36_500))
        {
            problems.Add(
                FormattableString.Invariant(
                    $"Money:KeepUsage is {options.KeepUsage}. Set it to a time from 1.00:00:00 to 36500.00:00:00, or remove it for 400 days."
                )
            );
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<string> Problems(ConfiguredPrice price, int index)
    {
        var variable = string.Create(CultureInfo.InvariantCulture, $"Money:Prices:{index}");
        if (price.Provider.Length == 0 || price.Model.Length == 0)
        {
            yield return $"{variable} has the provider '{price.Provider}' and the model '{price.Model}'. Set both to what AIBACKEND_PROVIDERS calls them.";
        }

        if (price.Input is null || price.Output is null)
        {
            yield return $"{variable}:Input and :Output are US dollars for a million tokens. Set both; 0 is free.";
        }

        foreach (
            var (member, value) in ((string, decimal?)[])
                [("Input", price.Input), ("Cached", price.Cached), ("Output", price.Output), ("Reasoning", price.Reasoning)]
        )
        {
            if (value is < 0 or > PriceRates.Most || (value is { } given && decimal.Round(given, PriceRates.Decimals) != given))
            {
                yield return FormattableString.Invariant(
                    $"{variable}:{member} is {value}. Set it to a number from 0 to {PriceRates.Most} with at most {PriceRates.Decimals} decimals, in US dollars for a million tokens."
                );
            }
        }
    }
}
