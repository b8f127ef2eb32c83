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
    /// Secret that API keys and sessions are hashed with; at least 32 characters, the same in every process. Changing it makes all of them
    /// invalid, but for what <see cref="OtherKeyPepper"/> is for. No default outside Development.
    /// </summary>
    public string? KeyPepper { get; set; }

    /// <summary>
    /// What was hashed with this secret counts too, and is hashed with <see cref="KeyPepper"/> when it is used: for the time in which one
    /// is put in place of the other.
    /// </summary>
    public string? OtherKeyPepper { get; set; }

    /// <summary>
    /// What a new tenant may spend in a day, in US dollars, until somebody changes its budget. Default 5; in Development 0, which makes
    /// no budget, because models without a price are not asked where a budget holds.
    /// </summary>
    public decimal? NewTenantUsdPerDay { get; set; }

    /// <summary>The pepper as bytes.</summary>
    internal byte[] PepperBytes => Encoding.UTF8.GetBytes(KeyPepper!);

    /// <summary>The other one; null while nothing is changed.</summary>
    internal byte[]? OtherPepperBytes => string.IsNullOrEmpty(OtherKeyPepper) ? null : Encoding.UTF8.GetBytes(OtherKeyPepper);
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
            _ when options.OtherKeyPepper is { Length: > 0 and < MinLength } other => ValidateOptionsResult.Fail(
                $"Tenancy:OtherKeyPepper has {other.Length} characters; it needs at least {MinLength}. Set Tenancy__OtherKeyPepper to the secret that is on its way in or out, or remove it."
            ),
            _ when options.NewTenantUsdPerDay is < 0 or > 1_000_000 => ValidateOptionsResult.Fail(
                FormattableString.Invariant(
                    $"Tenancy:NewTenantUsdPerDay is {options.NewTenantUsdPerDay}, but must be from 0 to 1000000. Use 0 for no budget."
                )
            ),
            _ => ValidateOptionsResult.Success,
        };
}
