using System.Globalization;
using System.Net;
using System.Text;
using AiBackend.Core.Egress;

namespace AiBackend.Core.Webhooks;

/// <summary>Makes one try: a signed POST. What the receiver answers beyond its status is not read, and a redirect is a refusal.</summary>
public sealed class WebhookSender(EgressClient client, TimeProvider clock)
{
    /// <summary>One that sends to an address of the operator's, wherever it is, and nowhere else.</summary>
    internal static WebhookSender ToOperator(Uri address, TimeProvider clock) =>
        new(new EgressClient(EgressRules.OfOperator(address), new SystemResolver(), clock), clock);

    /// <summary>Sends a message.</summary>
    /// <exception cref="OperationCanceledException">Cancelled by <paramref name="cancellationToken"/>: it may have arrived.</exception>
    public async Task<TryEnd> SendAsync(
        Uri address,
        IReadOnlyList<WebhookSecret> secrets,
        Delivery delivery,
        CancellationToken cancellationToken
    )
    {
        var timestamp = clock.GetUtcNow().ToUnixTimeSeconds();
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        request.Content = new StringContent(delivery.Body, Encoding.UTF8, "application/json");
        request.Headers.Add("User-Agent", "AiBackend-Webhooks/1");
        request.Headers.Add("webhook-id", delivery.Name);
        request.Headers.Add("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add(
            "webhook-signature",
            string.Join(' ', secrets.Select(secret => secret.Sign(delivery.Name, timestamp, delivery.Body)))
        );
        return await client.SendAsync(request, most: 0, cancellationToken) switch
        {
            EgressAnswer.Answered({ } status, _, _) when (int)status is >= 200 and < 300 => new TryEnd.Taken(),
            EgressAnswer.Answered(var status, var after, _) => new TryEnd.Failed(
                string.Create(CultureInfo.InvariantCulture, $"status {(int)status}"),
                after,
                IsFinal: status is HttpStatusCode.Gone
            ),
            EgressAnswer.Failed(var error) => new TryEnd.Failed(error),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }
}
