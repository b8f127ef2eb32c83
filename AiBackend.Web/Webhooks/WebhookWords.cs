using System.Globalization;
using AiBackend.ApiContracts.Webhooks;

namespace AiBackend.Web.Webhooks;

/// <summary>Webhooks in words for people.</summary>
internal static class WebhookWords
{
    public static string Where(Webhook hook) => hook.Url ?? "the address that each job names";

    public static string Events(Webhook hook) => hook.Events.Count == 0 ? "everything" : string.Join(", ", hook.Events);

    /// <summary>The look of its state, which <c>AiStatus</c> knows.</summary>
    public static string Look(Webhook hook) =>
        !hook.Enabled ? "cancelled"
        : hook.FailingSince is null ? "healthy"
        : "degraded";

    public static string State(Webhook hook) =>
        hook switch
        {
            { Enabled: true, FailingSince: null } => "Working",
            { Enabled: true } => "Not answering",
            { DisabledFor: "gone" } => "Off: the receiver wants no more (410)",
            { DisabledFor: "failing" } => "Off: no success for five days",
            _ => "Off",
        };

    /// <summary>What becomes of a message, in as few words as its maker left it.</summary>
    public static string Becomes(WebhookJobTemplate template) =>
        (template.Prompt is { Length: > 80 } prompt ? prompt[..79] + "…" : template.Prompt) ?? "";

    /// <summary>The look of a message.</summary>
    public static string Look(WebhookDelivery message) =>
        message.State switch
        {
            "delivered" => "healthy",
            "given_up" => "failed",
            _ => message.Tries == 0 ? "queued" : "retrying",
        };

    public static string State(WebhookDelivery message) =>
        message.State switch
        {
            "delivered" => "Delivered",
            "given_up" => "Given up",
            _ => message.Tries == 0 ? "Waiting" : "Trying again",
        };

    public static string Attempt(WebhookAttempt attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"{Outcome(attempt)}, {attempt.Seconds:0.00} s");

    private static string Outcome(WebhookAttempt attempt) =>
        attempt.Error switch
        {
            null => "taken",
            "address_refused" => "the address may not be reached",
            "unreachable" => "no connection",
            "tls" => "no valid certificate",
            "timeout" => "no answer in time",
            var error => error,
        };
}
