using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Webhooks;

/// <summary>How secrets of webhooks are kept. Section <c>Webhooks</c>; changes need a restart.</summary>
public sealed class WebhookOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Webhooks";

    /// <summary>Used in Development only, so that a clone runs without set-up.</summary>
    public const string DevelopmentSecret = "development-only-secret-of-webhook-secrets";

    /// <summary>
    /// Secret that the secrets of tenants' webhooks are encrypted with; at least 32 characters, the same in every process. Left out, it is
    /// that of provider keys; without either there are no webhooks of tenants.
    /// </summary>
    [MinLength(32, ErrorMessage = "Webhooks:SealSecret is shorter than 32 characters. Set Webhooks__SealSecret to a longer random secret.")]
    public string? SealSecret { get; set; }

    /// <summary>The name of the installation, <c>Installation__Name</c>: what was sealed under another one does not open.</summary>
    public string? Installation { get; internal set; }
}
