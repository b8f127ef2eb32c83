using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Routing;

/// <summary>How what operators set about providers is kept. Section <c>Routing</c>; changes need a restart.</summary>
public sealed class RoutingOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Routing";

    /// <summary>Used in Development only, so that a clone runs without set-up.</summary>
    public const string DevelopmentSecret = "development-only-secret-of-provider-keys";

    /// <summary>
    /// Secret that provider keys set over the API are encrypted with; at least 32 characters, the same in every process. Without it
    /// keys come from the configuration alone. Changing it makes the keys that were set unreadable: set them again.
    /// </summary>
    [MinLength(
        32,
        ErrorMessage = "Routing:CredentialSecret is shorter than 32 characters. Set Routing__CredentialSecret to a longer random secret."
    )]
    public string? CredentialSecret { get; set; }

    /// <summary>The name of the installation, <c>Installation__Name</c>: what was sealed under another one does not open.</summary>
    public string? Installation { get; internal set; }

    /// <summary>Between two looks for changes. Default 1 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00")]
    public TimeSpan RefreshEvery { get; set; } = TimeSpan.FromSeconds(1);
}
