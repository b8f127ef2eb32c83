using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace AiBackend.Core.Egress;

/// <summary>
/// The one way to addresses that tenants name: to what <see cref="EgressRules"/> allows, without redirects, proxies, cookies, credentials or
/// trace headers, within limits of time and length.
/// </summary>
public sealed class EgressClient : IDisposable
{
    /// <summary>What a request may take, from its begin to the last byte of the answer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>What is read of an answer at most, counted after decompression.</summary>
    public const int MostBytes = 64 * 1024;

    private const int HeaderKilobytes = 16;

    private readonly EgressRules _rules;
    private readonly TimeProvider _clock;
    private readonly HttpMessageInvoker _http;

    /// <param name="rules">Where requests may go.</param>
    /// <param name="resolver">Knows addresses of hosts.</param>
    /// <param name="clock">Measures the patience.</param>
    public EgressClient(EgressRules rules, IEgressResolver resolver, TimeProvider clock)
        : this(rules, resolver, clock, roots: null) { }

    /// <param name="rules">Where requests may go.</param>
    /// <param name="resolver">Knows addresses of hosts.</param>
    /// <param name="clock">Measures the patience.</param>
    /// <param name="roots">Who signs certificates, in place of whom the machine trusts.</param>
    internal EgressClient(EgressRules rules, IEgressResolver resolver, TimeProvider clock, X509Certificate2Collection? roots)
    {
        (_rules, _clock) = (rules, clock);
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = new EgressDial(rules, resolver).ConnectAsync,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromSeconds(60),
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            Credentials = null,
            // No span and no header of one: what follows the host of an address is often a receiver's secret.
            ActivityHeadersPropagator = null,
            AutomaticDecompression = DecompressionMethods.All,
            MaxResponseHeadersLength = HeaderKilobytes,
            MaxResponseDrainSize = MostBytes,
            ResponseDrainTimeout = TimeSpan.FromSeconds(1),
        };
        if (roots is not null)
        {
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        _http = new HttpMessageInvoker(handler);
    }

    /// <summary>Sends a request and waits for the answer.</summary>
    /// <param name="request">With an absolute address.</param>
    /// <param name="most">Bytes of the answer's body that are wanted, up to <see cref="MostBytes"/>; 0 leaves it unread.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">Cancelled by <paramref name="cancellationToken"/>: it may have arrived.</exception>
    public Task<EgressAnswer> SendAsync(HttpRequestMessage request, int most, CancellationToken cancellationToken) =>
        SendAsync(request, most, Patience, cuts: false, cancellationToken);

    /// <inheritdoc cref="SendAsync(HttpRequestMessage, int, CancellationToken)"/>
    /// <param name="request">With an absolute address.</param>
    /// <param name="most">Bytes of the answer's body that are wanted, up to <see cref="MostBytes"/>; 0 leaves it unread.</param>
    /// <param name="patience">What it may take, in place of <see cref="Patience"/>.</param>
    /// <param name="cuts">Whether a longer body is cut off after <paramref name="most"/> bytes; otherwise it makes the request fail.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<EgressAnswer> SendAsync(
        HttpRequestMessage request,
        int most,
        TimeSpan patience,
        bool cuts,
        CancellationToken cancellationToken
    )
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(most, MostBytes);
        if (request.RequestUri is not { IsAbsoluteUri: true } address || _rules.Fault(address) is not null)
        {
            return new EgressAnswer.Failed(EgressErrors.Refused) { NeverArrived = true };
        }

        using var timeUp = new CancellationTokenSource(patience, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeUp.Token, cancellationToken);
        try
        {
            using var response = await _http.SendAsync(request, both.Token);
            var body = most == 0 ? [] : await ReadAsync(response.Content, most, cuts, both.Token);
            return body is null
                ? new EgressAnswer.Failed(EgressErrors.TooLarge)
                : new EgressAnswer.Answered(response.StatusCode, RetryAfter(response), body);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new EgressAnswer.Failed(EgressErrors.Timeout);
        }
        catch (HttpRequestException failure)
        {
            return new EgressAnswer.Failed(WordOf(failure)) { NeverArrived = IsBeforeItsBegin(failure) };
        }
        catch (Exception failure) when (failure is IOException or InvalidDataException)
        {
            return new EgressAnswer.Failed(EgressErrors.Unreachable);
        }
    }

    /// <summary>A client for a library that sends by itself: the same way, and each of its requests is looked at.</summary>
    /// <param name="most">Bytes that all answers together may have; then reading fails.</param>
    /// <param name="patience">What one request may take until its answer begins.</param>
    public HttpClient CreateClient(int most, TimeSpan patience) => new(new EgressHandler(_rules, _http, most)) { Timeout = patience };

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <returns>Null when there is more than wanted.</returns>
    private static async Task<byte[]?> ReadAsync(HttpContent content, int most, bool cuts, CancellationToken cancellationToken)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[most + 1];
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        return length <= most ? buffer[..length]
            : cuts ? buffer[..most]
            : null;
    }

    /// <summary>Whether there never was a connection that the request could have gone through.</summary>
    private static bool IsBeforeItsBegin(HttpRequestException failure) =>
        WordOf(failure) is EgressErrors.Refused or EgressErrors.Tls
        || failure.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError;

    private static string WordOf(HttpRequestException failure)
    {
        for (Exception? inner = failure; inner is not null; inner = inner.InnerException)
        {
            if (inner is EgressRefusedException)
            {
                return EgressErrors.Refused;
            }
        }

        return failure.HttpRequestError switch
        {
            HttpRequestError.SecureConnectionError => EgressErrors.Tls,
            HttpRequestError.ConfigurationLimitExceeded => EgressErrors.TooLarge,
            _ => EgressErrors.Unreachable,
        };
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response) =>
        response.Headers.RetryAfter is { } after ? after.Delta ?? after.Date - _clock.GetUtcNow() : null;
}
