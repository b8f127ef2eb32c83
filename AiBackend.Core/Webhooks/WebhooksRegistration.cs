using AiBackend.Core.Egress;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Webhooks;

/// <summary>Registers the sending of webhooks.</summary>
public static class WebhooksRegistration
{
    /// <summary>Adds what the leader needs.</summary>
    public static void AddWebhookDelivery(this IHostApplicationBuilder builder)
    {
        builder.AddEgress();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton(Random.Shared);
        builder.Services.AddSingleton<DeliveryStore>().AddSingleton<WebhookSender>().AddSingleton<DeliverWebhooks>();
    }
}
