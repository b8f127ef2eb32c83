using AiBackend.Core.Webhooks;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Where alerts are told besides the pages. Section <c>Alerts:Webhook</c>; changes need a restart.</summary>
public sealed class AlertWebhookOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Alerts:Webhook";

    /// <summary>Where to; null tells nobody.</summary>
    public string? Url { get; set; }

    /// <summary>The secret that messages are signed with, as Standard Webhooks writes it.</summary>
    public string? Secret { get; set; }

    internal Uri? Address => string.IsNullOrEmpty(Url) ? null : new Uri(Url);
}

internal sealed class AlertWebhookValidator(bool isDevelopment) : IValidateOptions<AlertWebhookOptions>
{
    public ValidateOptionsResult Validate(string? name, AlertWebhookOptions options)
    {
        if (string.IsNullOrEmpty(options.Url) && string.IsNullOrEmpty(options.Secret))
        {
            return ValidateOptionsResult.Success;
        }

        var problems = new List<string>();
        if (!IsUsable(options.Url))
        {
            problems.Add(
                $"Alerts:Webhook:Url is no address that messages may go to (it is not shown, for it may hold a password). Set Alerts__Webhook__Url to an https address without user name{(isDevelopment ? " (http is fine in Development)" : "")}, or remove it together with the secret."
            );
        }

        if (WebhookSecret.TryParse(options.Secret ?? "") is null)
        {
            problems.Add(
                "Alerts:Webhook:Secret is not a secret of Standard Webhooks. Set Alerts__Webhook__Secret to whsec_ and 24 to 64 bytes in base 64 (echo whsec_$(openssl rand -base64 32)), or remove it together with the address."
            );
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private bool IsUsable(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var address)
        && (address.Scheme == Uri.UriSchemeHttps || (isDevelopment && address.Scheme == Uri.UriSchemeHttp))
        && address.UserInfo.Length == 0;
}
