using System.Globalization;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Chat;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.OpenAi.Responses;
using AiBackend.Api.Problems;
using AiBackend.Core.Batches;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>Translates lines of batches by the readers of the endpoints they are for.</summary>
internal sealed class LineDrafts(JobRequestRules rules, CreateResponse responses)
{
    private const string Priority = "batch";

    /// <summary>Where lines may go.</summary>
    public static readonly string[] Endpoints = [ChatCompletions.Address, CreateResponse.Address];

    public async Task<(Refusal? Refusal, JobDraft Draft)> ReadAsync(
        Batch batch,
        BatchLine line,
        ReadOnlyMemory<byte> body,
        Caller caller,
        CancellationToken cancellationToken
    )
    {
        var key = KeyOf(batch, line.Line.ToString(CultureInfo.InvariantCulture));
        var files = new SentFiles(caller.TenantId);
        if (batch.Endpoint == CreateResponse.Address)
        {
            var refused = ResponseReader.TryRead(body, files, out var response) ?? Refuse(response.Call) ?? RefuseBackground(response);
            return refused is not null
                ? (refused, null!)
                : await responses.DraftAsync(caller, response with { Call = Batched(response.Call, batch) }, files, key, cancellationToken);
        }

        JobDraft draft = null!;
        var refusal =
            ChatCompletionReader.TryRead(body, files, out var call)
            ?? Refuse(call)
            ?? rules.TryDraft(Batched(call, batch).Job, call.Chat, caller, key, out draft);
        return refusal is null ? (null, draft with { Files = files }) : (refusal, null!);
    }

    /// <summary>Of one line there is one job, whoever submits it how often.</summary>
    public static string KeyOf(Batch batch, string line) => IdempotencyKey.At(BatchRequests.Address, $"{batch.Id:N}:{line}")!;

    private static TranslatedCall Batched(TranslatedCall call, Batch batch) =>
        call with
        {
            Job = call.Job with { Priority = Priority, Deadline = batch.WindowEndsAt },
        };

    private static Refusal? Refuse(TranslatedCall call) =>
        call.Stream ? ProblemTypes.UnsupportedParameter.At("stream", "stream is not supported in a batch: its answers are in a file.")
        : call.Job.Priority is not (null or Priority)
            ? ProblemTypes.UnsupportedParameter.At(
                "service_tier",
                $"service_tier and metadata.aibackend_priority ask for {call.Job.Priority}; lines of a batch have the priority {Priority}. Leave them out."
            )
        : null;

    private static Refusal? RefuseBackground(TranslatedResponse response) =>
        response.Details.Background
            ? ProblemTypes.UnsupportedParameter.At(
                "background",
                "background is not supported in a batch: nobody waits for its lines anyway."
            )
            : null;
}
