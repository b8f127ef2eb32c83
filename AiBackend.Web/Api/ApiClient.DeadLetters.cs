using System.Text.Json.Serialization.Metadata;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Jobs;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <content>Dead letters, bulk actions and alerts.</content>
internal sealed partial class ApiClient
{
    public Task<ApiResult<DeadLetterGroupPage>> ListDeadLetterGroupsAsync(string? cursor, CancellationToken cancellationToken) =>
        GetAsync(WithCursor("api/v1/dead-letters?limit=50", cursor), ClientJson.Lenient.DeadLetterGroupPage, cancellationToken);

    public Task<ApiResult<DeadLetterPage>> ListDeadLettersAsync(string fingerprint, string? cursor, CancellationToken cancellationToken) =>
        GetAsync(
            WithCursor(Invariant($"api/v1/dead-letters/{Uri.EscapeDataString(fingerprint)}?limit=50"), cursor),
            ClientJson.Lenient.DeadLetterPage,
            cancellationToken
        );

    /// <summary>What the job was asked to do.</summary>
    public Task<ApiResult<ChatInput>> GetInputAsync(Guid jobId, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/jobs/{jobId}/input", ClientJson.Lenient.ChatInput, cancellationToken);

    public Task<ApiResult<Job>> ReplayAsync(Guid jobId, ReplayRequest edit, string idempotencyKey, CancellationToken cancellationToken) =>
        PostAsync(
            $"api/v1/jobs/{jobId}/replay",
            edit,
            ClientJson.Lenient.ReplayRequest,
            idempotencyKey,
            ClientJson.Lenient.Job,
            cancellationToken
        );

    public Task<ApiResult<DeadLetter>> DiscardAsync(Guid jobId, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, $"api/v1/jobs/{jobId}/discard"), ClientJson.Lenient.DeadLetter, cancellationToken);

    /// <summary>What a replay of these letters would be. Changes nothing.</summary>
    public Task<ApiResult<BulkPreview>> PreviewReplayAsync(BulkFilter filter, CancellationToken cancellationToken) =>
        PostAsync(
            "api/v1/dead-letters/replay",
            new BulkReplayRequest { Filter = filter, DryRun = true },
            ClientJson.Lenient.BulkReplayRequest,
            null,
            ClientJson.Lenient.BulkPreview,
            cancellationToken
        );

    public Task<ApiResult<BulkAction>> BeginReplayAsync(BulkReplayRequest request, string key, CancellationToken cancellationToken) =>
        PostAsync(
            "api/v1/dead-letters/replay",
            request,
            ClientJson.Lenient.BulkReplayRequest,
            key,
            ClientJson.Lenient.BulkAction,
            cancellationToken
        );

    public Task<ApiResult<BulkAction>> BeginDiscardAsync(BulkDiscardRequest request, string key, CancellationToken cancellationToken) =>
        PostAsync(
            "api/v1/dead-letters/discard",
            request,
            ClientJson.Lenient.BulkDiscardRequest,
            key,
            ClientJson.Lenient.BulkAction,
            cancellationToken
        );

    public Task<ApiResult<BulkActionList>> ListBulkActionsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/bulk", ClientJson.Lenient.BulkActionList, cancellationToken);

    public Task<ApiResult<BulkAction>> CancelBulkActionAsync(Guid id, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, $"api/v1/bulk/{id}/cancel"), ClientJson.Lenient.BulkAction, cancellationToken);

    public Task<ApiResult<AlertList>> ListAlertsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/alerts", ClientJson.Lenient.AlertList, cancellationToken);

    public Task<ApiResult<Alert>> AcknowledgeAsync(Guid alertId, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, $"api/v1/alerts/{alertId}/acknowledge"), ClientJson.Lenient.Alert, cancellationToken);

    private static string WithCursor(string path, string? cursor) =>
        cursor is null ? path : path + "&cursor=" + Uri.EscapeDataString(cursor);

    private Task<ApiResult<TAnswer>> PostAsync<TBody, TAnswer>(
        string path,
        TBody body,
        JsonTypeInfo<TBody> bodyType,
        string? idempotencyKey,
        JsonTypeInfo<TAnswer> answerType,
        CancellationToken cancellationToken
    )
    {
        var message = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body, bodyType) };
        if (idempotencyKey is not null)
        {
            message.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        return ActAsync(message, answerType, cancellationToken);
    }
}
