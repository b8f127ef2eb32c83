using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Api.OpenAi.Chat;
using AiBackend.Api.OpenAi.Responses;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Batches;
using AiBackend.Core.Jobs;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>What became of a line, as its endpoint would have answered.</summary>
internal sealed class LineAnswers(JobReads jobs, PreviousResponses responses)
{
    /// <summary>Of some lines, in their order.</summary>
    public async Task<IReadOnlyList<(bool IsAnswer, JsonObject Said)>> OfAsync(
        Batch batch,
        IReadOnlyList<BatchLine> lines,
        CancellationToken cancellationToken
    )
    {
        var ids = lines.Where(line => line.JobId is not null).Select(line => line.JobId!.Value).ToList();
        var found = (await jobs.FindAsync(batch.TenantId, ids, cancellationToken)).ToDictionary(job => job.Id);
        var said = new List<(bool, JsonObject)>(lines.Count);
        foreach (var line in lines)
        {
            said.Add(await OfAsync(batch, line, line.JobId is { } id ? found.GetValueOrDefault(id) : null, cancellationToken));
        }

        return said;
    }

    private async Task<(bool IsAnswer, JsonObject Said)> OfAsync(Batch batch, BatchLine line, Job? job, CancellationToken cancellationToken)
    {
        var said = new JsonObject
        {
            ["id"] = Invariant($"batch_req_{batch.Id:N}_{line.Line}"),
            ["custom_id"] = line.CustomId,
            ["response"] = null,
            ["error"] = null,
        };
        switch (line.State)
        {
            case LineState.Expired:
                said["error"] = Error("batch_expired", "The window of the batch was over before this line was answered.");
                return (false, said);
            case LineState.Cancelled:
                said["error"] = Error("batch_cancelled", "The batch was cancelled before this line was answered.");
                return (false, said);
            case LineState.Failed when line.Error is { } refusal:
                said["response"] = Response(line.StatusCode ?? 400, said["id"]!.GetValue<string>(), JsonNode.Parse(refusal));
                return (false, said);
        }

        if (job is null)
        {
            said["error"] = Error("job_not_found", "The job of this line was deleted.");
            return (false, said);
        }

        if (line.State == LineState.Answered)
        {
            said["response"] = Response(StatusCodes.Status200OK, $"req_{job.Id:N}", await BodyAsync(batch, job, cancellationToken));
            return (true, said);
        }

        var failure = OpenAiErrors.Of(job);
        said["response"] = Response(
            failure.Status,
            $"req_{job.Id:N}",
            JsonSerializer.SerializeToNode(new OpenAiErrorBody(failure.Error), OpenAiJson.Default.OpenAiErrorBody)
        );
        return (false, said);
    }

    private async Task<JsonNode?> BodyAsync(Batch batch, Job job, CancellationToken cancellationToken)
    {
        if (batch.Endpoint != CreateResponse.Address)
        {
            return JsonSerializer.SerializeToNode(ChatCompletionObject.Of(job), OpenAiJson.Default.ChatCompletionObject);
        }

        return ResponseObject.Of(job, await responses.DetailsOfAsync(batch.TenantId, job.Id, cancellationToken) ?? new ResponseDetails());
    }

    private static JsonObject Response(int status, string request, JsonNode? body) =>
        new()
        {
            ["status_code"] = status,
            ["request_id"] = request,
            ["body"] = body,
        };

    private static JsonObject Error(string code, string message) => new() { ["code"] = code, ["message"] = message };
}
