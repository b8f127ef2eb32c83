using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Webhooks;

/// <summary>Makes the tries that are due to an endpoint: the leader's part.</summary>
public sealed class DeliverWebhooks(DeliveryStore store, Random random, TimeProvider clock, ILogger<DeliverWebhooks> logger)
{
    /// <param name="target">To whom.</param>
    /// <param name="sender">How.</param>
    /// <param name="atOnce">How many at the same time; no more are made.</param>
    /// <param name="cancellationToken">Ends the tries; they count as lost.</param>
    public async Task<DeliveryRound> RunAsync(WebhookTarget target, WebhookSender sender, int atOnce, CancellationToken cancellationToken)
    {
        await store.GiveUpLostAsync(target.Endpoint, cancellationToken);
        var due = await store.TakeAsync(target.Endpoint, atOnce, cancellationToken);
        var ends = await Task.WhenAll(due.Select(delivery => TryAsync(target, sender, delivery, cancellationToken)));
        return new DeliveryRound(
            ends.Length,
            ends.Count(end => end is TryEnd.Taken),
            ends.Any(end => end is TryEnd.Failed { IsFinal: true })
        );
    }

    private async Task<TryEnd> TryAsync(WebhookTarget target, WebhookSender sender, Delivery delivery, CancellationToken cancellationToken)
    {
        var begun = clock.GetTimestamp();
        var end = await SendAsync(target, sender, delivery, cancellationToken);
        var took = clock.GetElapsedTime(begun);
        if (end is not TryEnd.Failed failed)
        {
            await store.EndAsync(target.Endpoint, delivery, DeliveryState.Delivered, null, TimeSpan.Zero, took, cancellationToken);
            return end;
        }

        var delay = failed.IsFinal ? null : DeliverySchedule.After(delivery.Try - delivery.Earlier, failed.RetryAfter, random.NextDouble());
        if (delay is { } wait)
        {
            logger.DeliveryFailed(delivery.Name, target.Endpoint, failed.Error, delivery.Try, wait);
        }
        else
        {
            logger.DeliveryGivenUp(delivery.Name, target.Endpoint, failed.Error, delivery.Try);
        }

        var state = delay is null ? DeliveryState.GivenUp : DeliveryState.Waiting;
        await store.EndAsync(target.Endpoint, delivery, state, failed.Error, delay ?? TimeSpan.Zero, took, cancellationToken);
        return end;
    }

    private static Task<TryEnd> SendAsync(
        WebhookTarget target,
        WebhookSender sender,
        Delivery delivery,
        CancellationToken cancellationToken
    )
    {
        var address = delivery.Url is { } url ? new Uri(url) : target.Address;
        return sender.SendAsync(
            address ?? throw new UnreachableException("A message has nowhere to go."),
            target.Secrets,
            delivery,
            cancellationToken
        );
    }
}
