using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Webhooks;

/// <summary>Sends what is due to an endpoint: the leader's part.</summary>
public sealed class DeliverWebhooks(DeliveryStore store, WebhookSender sender, Random random, ILogger<DeliverWebhooks> logger)
{
    private const int MaxAtOnce = 10;

    /// <returns>How many tries were made.</returns>
    public async Task<int> RunAsync(string endpoint, Uri address, WebhookSecret secret, CancellationToken cancellationToken)
    {
        await store.GiveUpLostAsync(endpoint, cancellationToken);
        var due = await store.TakeAsync(endpoint, MaxAtOnce, cancellationToken);
        await Task.WhenAll(due.Select(delivery => TryAsync(endpoint, address, secret, delivery, cancellationToken)));
        return due.Count;
    }

    private async Task TryAsync(string endpoint, Uri address, WebhookSecret secret, Delivery delivery, CancellationToken cancellationToken)
    {
        if (await sender.SendAsync(address, secret, delivery, cancellationToken) is not TryEnd.Failed failed)
        {
            await store.EndAsync(endpoint, delivery, DeliveryState.Delivered, null, TimeSpan.Zero, cancellationToken);
            return;
        }

        var delay = failed.IsFinal ? null : DeliverySchedule.After(delivery.Try, failed.RetryAfter, random.NextDouble());
        if (delay is { } wait)
        {
            logger.DeliveryFailed(delivery.Name, endpoint, failed.Error, delivery.Try, wait);
        }
        else
        {
            logger.DeliveryGivenUp(delivery.Name, endpoint, failed.Error, delivery.Try);
        }

        await store.EndAsync(
            endpoint,
            delivery,
            delay is null ? DeliveryState.GivenUp : DeliveryState.Waiting,
            failed.Error,
            delay ?? TimeSpan.Zero,
            cancellationToken
        );
    }
}
