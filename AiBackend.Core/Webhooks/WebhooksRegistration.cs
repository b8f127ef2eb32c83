using AiBackend.Core.Egress;
using AiBackend.Core.Secrets;
using AiBackend.Core.Webhooks.Inbound;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Webhooks;

/// <summary>Registers webhooks.</summary>
public static class WebhooksRegistration
{
    // Whoever has set a secret for what is stored need not set another one.
    private const string OtherSecret = "Routing:CredentialSecret";

    /// <summary>Adds endpoints and what was sent to them: the Api's side.</summary>
    public static void AddWebhookEndpoints(this IHostApplicationBuilder builder)
    {
        builder.AddEgress();
        builder.AddSeal();
        builder.Services.TryAddSingleton<DeliveryStore>();
        builder.Services.AddSingleton<EndpointStore>().AddSingleton<DeliveryReads>().AddSingleton<SourceStore>();
        builder.Services.TryAddSingleton<WebhookReceipts>();
    }

    /// <summary>Adds what the leader needs to send.</summary>
    public static void AddWebhookDelivery(this IHostApplicationBuilder builder)
    {
        builder.AddEgress();
        builder.AddSeal();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton(Random.Shared);
        builder.Services.TryAddSingleton<DeliveryStore>();
        builder.Services.AddSingleton<WebhookSender>().AddSingleton<DeliverWebhooks>();
        builder.Services.TryAddSingleton<WebhookReceipts>();
        builder.Services.AddSingleton<WriteMessages>().AddSingleton<DueEndpoints>().AddSingleton<SendToTenants>();
    }

    private static void AddSeal(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<WebhookOptions>()
            .BindConfiguration(WebhookOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        var isDevelopment = builder.Environment.IsDevelopment();
        builder.Services.PostConfigure<WebhookOptions>(options =>
        {
            options.SealSecret ??= builder.Configuration[OtherSecret] ?? (isDevelopment ? WebhookOptions.DevelopmentSecret : null);
            options.Installation = builder.Configuration[SecretSeal.InstallationSetting];
        });
        builder.Services.TryAddSingleton<WebhookSeal>();
    }
}
