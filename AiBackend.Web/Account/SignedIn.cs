using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Web.Api;

namespace AiBackend.Web.Account;

/// <summary>Asks the Api about sessions: to begin and end them, and whose a cookie's is.</summary>
internal sealed class SignedIn(IHttpClientFactory clients, TimeProvider clock)
{
    private const int MaxKnown = 10_000;

    // What the Api itself keeps for as long; a page and its parts ask at once.
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(4);

    private readonly ConcurrentDictionary<string, (SessionInfo Info, long At)> _known = new(StringComparer.Ordinal);
    private long _changes;

    /// <returns>Whose session it is; null when it is over or the Api does not say.</returns>
    public async Task<SessionInfo?> FindAsync(string token, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(token, out var known) && clock.GetElapsedTime(known.At) < Freshness)
        {
            return known.Info;
        }

        var (asked, changes) = (clock.GetTimestamp(), Volatile.Read(ref _changes));

        try
        {
            using var response = await SendAsync(HttpMethod.Get, "api/v1/sessions/current", token, null, null, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                _known.TryRemove(token, out _);
                return null;
            }

            var info = await response.Content.ReadFromJsonAsync(ClientJson.Lenient.SessionInfo, cancellationToken);
            if (_known.Count >= MaxKnown)
            {
                _known.Clear();
            }

            _known[token] = (info!, asked);
            if (Volatile.Read(ref _changes) != changes)
            {
                // Perhaps this one was moved or ended while the Api was asked.
                _known.TryRemove(token, out _);
            }

            return info;
        }
        catch (Exception failure) when (IsOutage(failure, cancellationToken))
        {
            // Who was signed in a moment ago still is: pages say themselves that the service is away.
            return known.Info;
        }
    }

    /// <param name="email">As it was typed.</param>
    /// <param name="password">As it was typed.</param>
    /// <param name="from">Where the reader is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The token; null, and why, when there is none.</returns>
    public async Task<(string? Token, string? Failure)> BeginAsync(
        string email,
        string password,
        IPAddress? from,
        CancellationToken cancellationToken
    )
    {
        var body = JsonContent.Create(
            new CreateSessionRequest { Email = email, Password = password },
            ClientJson.Lenient.CreateSessionRequest
        );
        var (answer, failure) = await AskAsync("api/v1/sessions", body, ClientJson.Lenient.SessionBegun, from, cancellationToken);
        return (answer?.Token, failure);
    }

    /// <returns>Why there is no first administrator, or null.</returns>
    public async Task<string?> SetUpAsync(SetupRequest request, IPAddress? from, CancellationToken cancellationToken)
    {
        var body = JsonContent.Create(request, ClientJson.Lenient.SetupRequest);
        return (await AskAsync("api/v1/setup", body, ClientJson.Lenient.User, from, cancellationToken)).Failure;
    }

    /// <summary>Whether there is no user yet.</summary>
    public async Task<bool> NeedsSetupAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var response = await SendAsync(HttpMethod.Get, "api/v1/setup", null, null, null, cancellationToken);
            return response.IsSuccessStatusCode
                && (await response.Content.ReadFromJsonAsync(ClientJson.Lenient.SetupState, cancellationToken))!.Needed;
        }
        catch (Exception failure) when (IsOutage(failure, cancellationToken))
        {
            return false;
        }
    }

    /// <summary>Has a session work in another project; one that may not stays where it is, and the page says where that is.</summary>
    public async Task MoveAsync(string token, string tenant, CancellationToken cancellationToken)
    {
        var body = JsonContent.Create(new ChangeSessionRequest { Tenant = tenant }, ClientJson.Lenient.ChangeSessionRequest);
        try
        {
            (await SendAsync(HttpMethod.Patch, "api/v1/sessions/current", token, body, null, cancellationToken)).Dispose();
        }
        catch (Exception failure) when (IsOutage(failure, cancellationToken))
        {
            // It stays where it is.
        }

        Forget(token);
    }

    /// <summary>Ends a session; one that cannot be ended now ends by its age.</summary>
    public async Task EndAsync(string token, CancellationToken cancellationToken)
    {
        try
        {
            (await SendAsync(HttpMethod.Delete, "api/v1/sessions/current", token, null, null, cancellationToken)).Dispose();
        }
        catch (Exception failure) when (IsOutage(failure, cancellationToken))
        {
            // The browser forgets it all the same.
        }

        Forget(token);
    }

    private void Forget(string token)
    {
        // In this order: whoever asked before the change and keeps the answer after this sees that there was one.
        Interlocked.Increment(ref _changes);
        _known.TryRemove(token, out _);
    }

    private async Task<(T? Answer, string? Failure)> AskAsync<T>(
        string path,
        HttpContent body,
        System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type,
        IPAddress? from,
        CancellationToken cancellationToken
    )
        where T : class
    {
        try
        {
            using var response = await SendAsync(HttpMethod.Post, path, null, body, from, cancellationToken);
            if (response.IsSuccessStatusCode)
            {
                return (await response.Content.ReadFromJsonAsync(type, cancellationToken), null);
            }

            var problem = await response.Content.ReadFromJsonAsync(ClientJson.Lenient.Problem, cancellationToken);
            return (null, problem?.Detail ?? "The service gave an unexpected answer. Try again.");
        }
        catch (Exception failure) when (IsOutage(failure, cancellationToken))
        {
            return (null, "The service cannot be reached right now. Try again in a moment.");
        }
    }

    private static bool IsOutage(Exception failure, CancellationToken cancellationToken) =>
        failure is HttpRequestException or IOException or System.Text.Json.JsonException
        || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        string? token,
        HttpContent? body,
        IPAddress? from,
        CancellationToken cancellationToken
    )
    {
        using var request = new HttpRequestMessage(method, path) { Content = body };
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        if (from is not null)
        {
            // The Api counts who guesses by where they are; without it all who sign in here would be one.
            request.Headers.Add("X-Forwarded-For", from.ToString());
        }

        return await clients.CreateClient(ApiClient.Name).SendAsync(request, cancellationToken);
    }
}
