using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Account;
using AiBackend.Web.Runs;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <summary>Reads one job's event log live, as server-sent events.</summary>
internal sealed class ApiEventStream(IHttpClientFactory clients, SiteCaller caller, TimeProvider clock)
{
    public const string Name = "api-events";

    /// <summary>Heartbeats come at least every 15 s; two missed ones mean the connection is dead.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(35);
    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(5);

    /// <summary>Yields events after <paramref name="after"/> until the server closes the stream.</summary>
    /// <param name="heard">Called whenever bytes arrive, heartbeats included.</param>
    /// <exception cref="HttpRequestException">The Api could not be reached or refused; its status tells which.</exception>
    /// <exception cref="IOException">The connection broke or fell silent.</exception>
    public async IAsyncEnumerable<RunEvent> ReadAsync(
        Guid id,
        int after,
        Action heard,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        using var silence = new CancellationTokenSource(LongestConnect, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, silence.Token);
        using var response = await OpenAsync(id, after, either.Token, cancellationToken);
        if (response.StatusCode is HttpStatusCode.NoContent)
        {
            yield break;
        }

        heard();
        await using var body = new HeardStream(
            await response.Content.ReadAsStreamAsync(either.Token),
            () =>
            {
                silence.CancelAfter(LongestSilence);
                heard();
            }
        );
        silence.CancelAfter(LongestSilence);
        var events = SseParser.Create(body, RunEvent.Parse).EnumerateAsync(either.Token).GetAsyncEnumerator(either.Token);
        await using var _ = events;
        while (await MoveNextAsync(events, cancellationToken))
        {
            if (int.TryParse(events.Current.EventId, CultureInfo.InvariantCulture, out var seq) && events.Current.Data is { } payload)
            {
                yield return payload with
                {
                    Seq = seq,
                };
            }
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(Guid id, int after, CancellationToken either, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Invariant($"{JobLinks.Of(id).Events[1..]}?after={after}"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        caller.Sign(request);
        try
        {
            var response = await clients.CreateClient(Name).SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either);
            if (response.IsSuccessStatusCode)
            {
                return response;
            }

            using (response)
            {
                throw new HttpRequestException(Invariant($"The Api answered {(int)response.StatusCode}."), null, response.StatusCode);
            }
        }
        catch (OperationCanceledException late) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HttpRequestException(Invariant($"The Api did not answer within {LongestConnect.TotalSeconds} s."), late);
        }
    }

    private static async ValueTask<bool> MoveNextAsync(IAsyncEnumerator<SseItem<RunEvent?>> events, CancellationToken cancellationToken)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (OperationCanceledException late) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException(Invariant($"Nothing was heard for {LongestSilence.TotalSeconds} s."), late);
        }
    }
}
