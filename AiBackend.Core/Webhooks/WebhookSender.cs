using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace AiBackend.Core.Webhooks;

/// <summary>Makes one try: a signed POST. What the receiver answers beyond its status is not read, and a redirect is a refusal.</summary>
public sealed class WebhookSender : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly HttpClient _http = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            ConnectTimeout = TimeSpan.FromSeconds(5),
        }
    )
    {
        Timeout = DeliverySchedule.Timeout,
    };

    /// <param name="clock">Dates the messages.</param>
    public WebhookSender(TimeProvider clock)
    {
        _clock = clock;
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("AiBackend-Webhooks", "1"));
    }

    /// <summary>Sends a message.</summary>
    /// <exception cref="OperationCanceledException">Cancelled by <paramref name="cancellationToken"/>: it may have arrived.</exception>
    public async Task<TryEnd> SendAsync(Uri address, WebhookSecret secret, Delivery delivery, CancellationToken cancellationToken)
    {
        var timestamp = _clock.GetUtcNow().ToUnixTimeSeconds();
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        request.Content = new StringContent(delivery.Body, Encoding.UTF8, "application/json");
        request.Headers.Add("webhook-id", delivery.Name);
        request.Headers.Add("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("webhook-signature", secret.Sign(delivery.Name, timestamp, delivery.Body));
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            return response.IsSuccessStatusCode ? new TryEnd.Taken() : Refused(response);
        }
        catch (HttpRequestException)
        {
            return new TryEnd.Failed("unreachable");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new TryEnd.Failed("timeout");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private TryEnd.Failed Refused(HttpResponseMessage response)
    {
        var after = response.Headers.RetryAfter;
        return new(
            string.Create(CultureInfo.InvariantCulture, $"status {(int)response.StatusCode}"),
            after?.Delta ?? after?.Date - _clock.GetUtcNow(),
            IsFinal: response.StatusCode is HttpStatusCode.Gone
        );
    }
}
