using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary>Responses as they are kept, and what the next one takes over from them.</summary>
internal sealed class PreviousResponses(JobReads jobs, DoorDetailsStore store)
{
    /// <summary>Most that a request may have with all that it takes over, which grows with every turn while each body is small.</summary>
    public const int MostInput = 4 << 20;

    /// <returns>The job and its details; null when the tenant has no such response, or it was not stored, or deleted.</returns>
    public async Task<(Job Job, ResponseDetails Details, string Input)?> FindAsync(
        Guid tenantId,
        string? id,
        CancellationToken cancellationToken
    ) =>
        await FindKeptAsync(tenantId, id, cancellationToken) is { IsDeleted: false } found ? (found.Job, found.Details, found.Input) : null;

    private async Task<(Job Job, ResponseDetails Details, string Input, bool IsDeleted)?> FindKeptAsync(
        Guid tenantId,
        string? id,
        CancellationToken cancellationToken
    )
    {
        if (
            ResponseIds.JobOf(id) is not { } jobId
            || await store.FindAsync(tenantId, jobId, cancellationToken) is not { } kept
            || await jobs.FindAsync(tenantId, jobId, cancellationToken) is not { } job
        )
        {
            return null;
        }

        var details = JsonSerializer.Deserialize(kept.Json, OpenAiJson.Default.ResponseDetails)!;
        return details.Store ? (job, details, kept.Input, kept.IsDeleted) : null;
    }

    /// <returns>Of one that may not have been stored; null when it was deleted.</returns>
    public async Task<ResponseDetails?> DetailsOfAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken) =>
        await store.FindAsync(tenantId, jobId, cancellationToken) is { } kept
            ? JsonSerializer.Deserialize(kept.Json, OpenAiJson.Default.ResponseDetails)
            : null;

    public static Refusal Unknown(string id) =>
        ProblemTypes.JobNotFound.At(
            "id",
            $"There is no response {Quoted.Of(id)}. Check the id, that it was stored, and that the key belongs to the tenant that asked for it."
        );

    /// <summary>Puts what came before, and the instructions, in front of the messages of a request.</summary>
    /// <returns>Why it cannot go on from there, or null; and the chat, also with a response that was deleted: repeats are told apart by it.</returns>
    public async Task<(Refusal? Refusal, ChatInput Chat)> CompleteAsync(
        Guid tenantId,
        TranslatedResponse response,
        CancellationToken cancellationToken
    )
    {
        var chat = response.Call.Chat;
        IReadOnlyList<ChatMessageInput> before = [];
        Refusal? gone = null;
        if (response.Details.PreviousResponseId is { } id)
        {
            var unknown = ProblemTypes.InvalidValue.At("previous_response_id", $"There is no response {Quoted.Of(id)} to go on from.") with
            {
                IsOfUnknownId = true,
            };
            if (await FindKeptAsync(tenantId, id, cancellationToken) is not var (job, details, input, isDeleted))
            {
                return (unknown, chat);
            }

            if (details.ConversationId is { } conversation)
            {
                // What its model was told before is in the conversation alone.
                var remedy = $"The response {Quoted.Of(id)} is part of the conversation {conversation}. Go on with conversation instead.";
                return (ProblemTypes.InvalidValue.At("previous_response_id", remedy), chat);
            }

            gone = isDeleted ? unknown : null;

            if (job.Output is not { } output || job.Status is not (JobStatuses.Completed or JobStatuses.PartiallyCompleted))
            {
                return (
                    ProblemTypes.InvalidValue.At(
                        "previous_response_id",
                        $"The response {Quoted.Of(id)} is {ResponseObject.StatusOf(job)}; only one that is completed or incomplete can be gone on from."
                    ),
                    chat
                );
            }

            before = [.. MessagesOf(details, input), .. SaidIn(output)];
        }

        IEnumerable<ChatMessageInput> instructions = response.Details.Instructions is { Length: > 0 } text
            ? [new ChatMessageInput { Role = "system", Content = text }]
            : [];
        chat = chat with { Messages = [.. instructions, .. before, .. chat.Messages!] };
        return (gone ?? (before.Count > 0 ? RefuseSize(chat) : null), chat);
    }

    private static Refusal? RefuseSize(ChatInput chat)
    {
        var size = JsonSerializer.SerializeToUtf8Bytes(chat, WireJson.Default.ChatInput).Length;
        return size <= MostInput && chat.Messages!.Count <= ChatRules.MaxMessages
            ? null
            : ProblemTypes.InvalidValue.At(
                "previous_response_id",
                FormattableString.Invariant(
                    $"With what previous_response_id takes over, the input has {chat.Messages!.Count} messages and {size} bytes; at most {ChatRules.MaxMessages} and {MostInput} are allowed. Begin anew without it, and send a summary of what was said as input."
                )
            );
    }

    /// <summary>All that the earlier response was asked, but for its instructions, which are its own.</summary>
    private static IEnumerable<ChatMessageInput> MessagesOf(ResponseDetails details, string input) =>
        JsonSerializer.Deserialize(input, StoredJson.Lenient.ChatInput)!.Messages!.Skip(details.Instructions is { Length: > 0 } ? 1 : 0);

    private static IEnumerable<ChatMessageInput> SaidIn(JobOutput output)
    {
        if (output.Text.Length > 0 || output.ToolCalls.Count > 0)
        {
            yield return new ChatMessageInput
            {
                Role = "assistant",
                Content = output.Text.Length > 0 ? output.Text : null,
                ToolCalls = output.ToolCalls.Count > 0 ? output.ToolCalls : null,
            };
        }
    }
}
