using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Bench.Load;

/// <summary>A caller as our documents ask for: one key for one piece of work, repeated until there is an answer, and then the wait for its end.</summary>
internal sealed class PatientCaller : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly HttpClient _http;
    private readonly string _body;

    public PatientCaller(Uri api, string key, string model)
    {
        _http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = api, Timeout = TimeSpan.FromSeconds(90) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        _body = Requests.ChatBody(model);
    }

    /// <returns>The answer's text; null when the job ended without one.</returns>
    public async Task<string?> AskAsync(CancellationToken cancellationToken)
    {
        var key = Guid.CreateVersion7().ToString("N");
        var job = await UntilAnsweredAsync(() => Submit(key), cancellationToken);
        while (job.FinishedAt is null)
        {
            var id = job.Id;
            job = await UntilAnsweredAsync(() => new(HttpMethod.Get, $"/api/v1/jobs/{id}?wait=60"), cancellationToken);
        }

        return job.Status == JobStatuses.Completed ? job.Output?.Text : null;
    }

    public void Dispose() => _http.Dispose();

    private HttpRequestMessage Submit(string key)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Content = new StringContent(_body, Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Idempotency-Key", key);
        return request;
    }

    private async Task<Job> UntilAnsweredAsync(Func<HttpRequestMessage> request, CancellationToken cancellationToken)
    {
        while (true)
        {
            var pause = Pause;
            try
            {
                using var message = request();
                using var response = await _http.SendAsync(message, cancellationToken);
                if (response.IsSuccessStatusCode)
                {
                    var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken);
                    return JsonSerializer.Deserialize(bytes, WireJson.Default.Job)!;
                }

                if (response.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable))
                {
                    throw new InvalidOperationException(await response.Content.ReadAsStringAsync(cancellationToken));
                }

                pause = response.Headers.RetryAfter?.Delta ?? pause;
            }
            catch (Exception lost) when (lost is HttpRequestException or IOException)
            {
                // The server is gone for a moment: the same key again.
            }

            await Task.Delay(pause, cancellationToken);
        }
    }
}
