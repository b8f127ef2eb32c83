using AiBackend.ApiContracts.Webhooks;

namespace AiBackend.Web.Webhooks;

/// <summary>What the page of webhooks shows, taken at one moment.</summary>
/// <param name="Hooks">Newest first.</param>
/// <param name="Sources">Those of others, newest first.</param>
public sealed record WebhooksSnapshot(IReadOnlyList<Webhook> Hooks, IReadOnlyList<WebhookSource> Sources);

/// <summary>What the page of one webhook shows, taken at one moment.</summary>
/// <param name="Hook">The webhook.</param>
/// <param name="Messages">The newest messages.</param>
/// <param name="NextCursor">Where older ones are; null when there are none.</param>
public sealed record WebhookSnapshot(Webhook Hook, IReadOnlyList<WebhookDelivery> Messages, string? NextCursor);
