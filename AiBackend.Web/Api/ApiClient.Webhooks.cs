using AiBackend.ApiContracts.Webhooks;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <content>Where messages go, and how that fares.</content>
internal sealed partial class ApiClient
{
    public Task<ApiResult<WebhookList>> ListWebhooksAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/webhooks", ClientJson.Lenient.WebhookList, cancellationToken);

    public Task<ApiResult<Webhook>> GetWebhookAsync(Guid id, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/webhooks/{id}", ClientJson.Lenient.Webhook, cancellationToken);

    public Task<ApiResult<Webhook>> AddWebhookAsync(NewWebhook wanted, CancellationToken cancellationToken) =>
        PostAsync("api/v1/webhooks", wanted, ClientJson.Lenient.NewWebhook, null, ClientJson.Lenient.Webhook, cancellationToken);

    public Task<ApiResult<Webhook>> EnableWebhookAsync(Guid id, bool enabled, CancellationToken cancellationToken) =>
        ActAsync(
            new(HttpMethod.Patch, $"api/v1/webhooks/{id}")
            {
                Content = JsonContent.Create(new WebhookChange { Enabled = enabled }, ClientJson.Lenient.WebhookChange),
            },
            ClientJson.Lenient.Webhook,
            cancellationToken
        );

    public Task<ApiResult<Webhook>> RotateWebhookAsync(Guid id, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, $"api/v1/webhooks/{id}/rotate"), ClientJson.Lenient.Webhook, cancellationToken);

    public Task<ApiResult<WebhookDelivery>> TestWebhookAsync(Guid id, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, $"api/v1/webhooks/{id}/test"), ClientJson.Lenient.WebhookDelivery, cancellationToken);

    public Task<ApiResult<WebhookDelivery>> ResendAsync(Guid id, string message, CancellationToken cancellationToken) =>
        ActAsync(
            new(HttpMethod.Post, $"api/v1/webhooks/{id}/deliveries/{Uri.EscapeDataString(message)}/resend"),
            ClientJson.Lenient.WebhookDelivery,
            cancellationToken
        );

    public Task<ApiResult<WebhookDeliveryPage>> ListDeliveriesAsync(Guid id, string? cursor, CancellationToken cancellationToken) =>
        GetAsync(
            WithCursor(Invariant($"api/v1/webhooks/{id}/deliveries?limit=50"), cursor),
            ClientJson.Lenient.WebhookDeliveryPage,
            cancellationToken
        );

    public Task<ApiResult<WebhookSourceList>> ListSourcesAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/webhooks/inbound", ClientJson.Lenient.WebhookSourceList, cancellationToken);

    public Task<ApiResult<WebhookSource>> AddSourceAsync(NewWebhookSource wanted, CancellationToken cancellationToken) =>
        PostAsync(
            "api/v1/webhooks/inbound",
            wanted,
            ClientJson.Lenient.NewWebhookSource,
            null,
            ClientJson.Lenient.WebhookSource,
            cancellationToken
        );

    public Task<ApiResult<WebhookSource>> EnableSourceAsync(Guid id, bool enabled, CancellationToken cancellationToken) =>
        PatchAsync(
            $"api/v1/webhooks/inbound/{id}",
            new WebhookSourceChange { Enabled = enabled },
            ClientJson.Lenient.WebhookSourceChange,
            ClientJson.Lenient.WebhookSource,
            cancellationToken
        );

    public Task<ApiResult<WebhookSource>> RotateSourceAsync(Guid id, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, $"api/v1/webhooks/inbound/{id}/rotate"), ClientJson.Lenient.WebhookSource, cancellationToken);

    public Task<ApiResult<Nothing>> DeleteSourceAsync(Guid id, CancellationToken cancellationToken) =>
        DeleteAsync($"api/v1/webhooks/inbound/{id}", cancellationToken);
}
