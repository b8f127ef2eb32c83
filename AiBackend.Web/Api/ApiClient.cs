using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Operations;
using AiBackend.ApiContracts.Routing;
using AiBackend.ApiContracts.Tools;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Web.Account;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <summary>The native API as this site uses it. Every refusal and outage is a value.</summary>
internal sealed partial class ApiClient(IHttpClientFactory clients, SiteCaller caller, ILogger<ApiClient> logger)
{
    public const string Name = "api";

    public Task<ApiResult<Job>> SubmitAsync(SubmitJobRequest request, string idempotencyKey, CancellationToken cancellationToken)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, "api/v1/jobs")
        {
            Content = JsonContent.Create(request, ClientJson.Lenient.SubmitJobRequest),
        };
        message.Headers.Add("Idempotency-Key", idempotencyKey);
        return ActAsync(message, ClientJson.Lenient.Job, cancellationToken);
    }

    public Task<ApiResult<Job>> GetJobAsync(Guid id, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/jobs/{id}", ClientJson.Lenient.Job, cancellationToken);

    public Task<ApiResult<Job>> CancelAsync(Guid id, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, $"api/v1/jobs/{id}/cancel"), ClientJson.Lenient.Job, cancellationToken);

    public Task<ApiResult<JobTrace>> GetTraceAsync(Guid id, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/jobs/{id}/trace", ClientJson.Lenient.JobTrace, cancellationToken);

    public Task<ApiResult<RunSteps>> GetStepsAsync(Guid id, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/jobs/{id}/steps?limit=200", ClientJson.Lenient.RunSteps, cancellationToken);

    public Task<ApiResult<JobToolCalls>> GetToolCallsAsync(Guid id, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/jobs/{id}/tool-calls", ClientJson.Lenient.JobToolCalls, cancellationToken);

    /// <summary>The event log after <paramref name="after"/>, as far as it goes now.</summary>
    public Task<ApiResult<JobEventPage>> GetEventsAsync(Guid id, int after, CancellationToken cancellationToken) =>
        GetAsync(Invariant($"api/v1/jobs/{id}/events?after={after}"), ClientJson.Lenient.JobEventPage, cancellationToken);

    public Task<ApiResult<JobPage>> ListJobsAsync(
        IReadOnlyList<string> statuses,
        string? cursor,
        int limit,
        CancellationToken cancellationToken
    )
    {
        var query =
            Invariant($"api/v1/jobs?limit={limit}") + string.Concat(statuses.Select(status => "&status=" + Uri.EscapeDataString(status)));
        return GetAsync(
            cursor is null ? query : query + "&cursor=" + Uri.EscapeDataString(cursor),
            ClientJson.Lenient.JobPage,
            cancellationToken
        );
    }

    public Task<ApiResult<ProviderList>> GetProvidersAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/providers", ClientJson.Lenient.ProviderList, cancellationToken);

    public Task<ApiResult<RouteList>> ListRoutesAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/routes", ClientJson.Lenient.RouteList, cancellationToken);

    public Task<ApiResult<DeploymentList>> ListDeploymentsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/deployments", ClientJson.Lenient.DeploymentList, cancellationToken);

    public Task<ApiResult<WorkerList>> GetWorkersAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/workers", ClientJson.Lenient.WorkerList, cancellationToken);

    public Task<ApiResult<Stats>> GetStatsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/stats", ClientJson.Lenient.Stats, cancellationToken);

    public Task<ApiResult<QueueList>> GetQueuesAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/queues", ClientJson.Lenient.QueueList, cancellationToken);

    /// <param name="act"><c>pause</c>, <c>drain</c> or <c>resume</c>.</param>
    /// <param name="target">What is meant.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<ApiResult<ControlInfo>> ControlAsync(string act, ControlRequest target, CancellationToken cancellationToken) =>
        PostAsync(
            "api/v1/queues/" + act,
            target,
            ClientJson.Lenient.ControlRequest,
            null,
            ClientJson.Lenient.ControlInfo,
            cancellationToken
        );

    /// <summary>Readiness, whose body says what is missing also when the status is 503.</summary>
    public Task<ApiResult<HealthReport>> GetHealthAsync(CancellationToken cancellationToken) =>
        GetAsync("health/ready", ClientJson.Lenient.HealthReport, cancellationToken);

    private Task<ApiResult<T>> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Get, path), type, cancellationToken);

    /// <summary>Removes something; the Api answers without a body.</summary>
    private Task<ApiResult<Nothing>> DeleteAsync(string path, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Delete, path), Nothing.Type, cancellationToken);

    private Task<ApiResult<TAnswer>> PatchAsync<TBody, TAnswer>(
        string path,
        TBody body,
        JsonTypeInfo<TBody> bodyType,
        JsonTypeInfo<TAnswer> answerType,
        CancellationToken cancellationToken
    ) => ActAsync(new(HttpMethod.Patch, path) { Content = JsonContent.Create(body, bodyType) }, answerType, cancellationToken);

    /// <summary>Sends what somebody pressed a button for.</summary>
    private async Task<ApiResult<T>> ActAsync<T>(HttpRequestMessage request, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        await SendAsync(request, type, cancellationToken) switch
        {
            ApiResult<T>.Failure(var reason) => new ApiResult<T>.Failure(reason.OfAction),
            var answer => answer,
        };

    private async Task<ApiResult<T>> SendAsync<T>(
        HttpRequestMessage request,
        JsonTypeInfo<T> type,
        CancellationToken cancellationToken,
        string client = Name
    )
    {
        using var message = request;
        message.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        caller.Sign(message);
        try
        {
            using var response = await clients.CreateClient(client).SendAsync(message, cancellationToken);
            if (response.StatusCode is HttpStatusCode.Unauthorized)
            {
                caller.Refused();
            }

            return await ReadAsync(response, type, cancellationToken);
        }
        catch (Exception failure)
            when (failure is HttpRequestException or IOException or JsonException
                || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            )
        {
            logger.ApiCallFailed(message.Method.Method, message.RequestUri?.OriginalString.Split('?')[0] ?? "", failure.Message);
            return new ApiResult<T>.Failure(ApiFailure.Unreachable);
        }
    }

    private static async Task<ApiResult<T>> ReadAsync<T>(
        HttpResponseMessage response,
        JsonTypeInfo<T> type,
        CancellationToken cancellationToken
    )
    {
        var isReadiness = type.Type == typeof(HealthReport) && response.StatusCode is HttpStatusCode.ServiceUnavailable;
        if (response.StatusCode is HttpStatusCode.NoContent && Nothing.Value is T nothing)
        {
            return new ApiResult<T>.Success(nothing);
        }

        if (response.IsSuccessStatusCode || isReadiness)
        {
            var value =
                await response.Content.ReadFromJsonAsync(type, cancellationToken)
                ?? throw new JsonException("The Api answered null where a value belongs.");
            return new ApiResult<T>.Success(value) { IsRepeat = response.Headers.Contains("Idempotent-Replayed") };
        }

        if (response.StatusCode is HttpStatusCode.Unauthorized)
        {
            return new ApiResult<T>.Failure(ApiFailure.NotSignedIn);
        }

        var isProblem = response.Content.Headers.ContentType?.MediaType is "application/problem+json";
        var problem = isProblem ? await response.Content.ReadFromJsonAsync(ClientJson.Lenient.Problem, cancellationToken) : null;
        return new ApiResult<T>.Failure(ApiFailure.From(response.StatusCode, problem));
    }
}
