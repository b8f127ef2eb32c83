using System.Text;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Tenancy;

/// <summary>Secrets of key storage. Section <c>Tenancy</c>; changes need a restart.</summary>
public sealed class TenancyOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Tenancy";

    /// <summary>Used in Development only, so that a clone runs without set-up.</summary>
    public const string DevelopmentPepper = "development-only-pepper-of-api-keys";

    /// <summary>
    /// Secret that API keys are hashed with; at least 32 characters, the same in every process. Changing it makes every key
    /// invalid. No default outside Development.
    /// </summary>
    public string? KeyPepper { get; set; }

    /// <summary>
    /// What a new tenant may spend in a day, in US dollars, until somebody changes its budget. Default 5; in Development 0, which makes
    /// no budget, because models without a price are not asked where a budget holds.
    /// </summary>
    public decimal? NewTenantUsdPerDay { get; set; }

    /// <summary>The pepper as bytes.</summary>
    internal byte[] PepperBytes => Encoding.UTF8.GetBytes(KeyPepper!);
}

/// <summary>Refuses a missing, short or well-known pepper.</summary>
internal sealed class TenancyOptionsValidator(bool isDevelopment) : IValidateOptions<TenancyOptions>
{
    private const int MinLength = 32;

    public ValidateOptionsResult Validate(string? name, TenancyOptions options) =>
        options.KeyPepper switch
        {
            null or "" => ValidateOptionsResult.Fail(
                "Tenancy:KeyPepper is not set. Set Tenancy__KeyPepper to a random secret of at least 32 characters, the same for every process."
            ),
            { Length: < MinLength } => ValidateOptionsResult.Fail(
                $"Tenancy:KeyPepper has {options.KeyPepper.Length} characters; it needs at least {MinLength}. Use a longer random secret."
            ),
            TenancyOptions.DevelopmentPepper when !isDevelopment => ValidateOptionsResult.Fail(
                "Tenancy:KeyPepper is the one of Development, which everybody knows. Set Tenancy__KeyPepper to a random secret."
            ),
            _ when options.NewTenantUsdPerDay is < 0 or > 1_000_000 => ValidateOptionsResult.Fail(
                FormattableString.Invariant(
                    $"Tenancy:NewTenantUsdPerDay is {options.NewTenantUsdPerDay}, but must be from 0 to 1000000. Use 0 for no budget."
                )
            ),
            _ => ValidateOptionsResult.Success,
        };
}
