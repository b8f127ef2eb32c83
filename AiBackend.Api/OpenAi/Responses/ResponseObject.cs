using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Api.OpenAi.Chat;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary>A job as a response.</summary>
internal static class ResponseObject
{
    public static string StatusOf(Job job) =>
        job.Status switch
        {
            JobStatuses.Scheduled or JobStatuses.Queued => "queued",
            JobStatuses.Completed => "completed",
            JobStatuses.PartiallyCompleted => "incomplete",
            JobStatuses.Failed => "failed",
            JobStatuses.Cancelled => "cancelled",
            _ => "in_progress",
        };

    public static JsonObject Of(Job job, ResponseDetails details)
    {
        var status = StatusOf(job);
        return new JsonObject
        {
            ["id"] = ResponseIds.Of(job.Id),
            ["object"] = "response",
            ["created_at"] = job.CreatedAt.ToUnixTimeSeconds(),
            ["completed_at"] = status == "completed" ? job.FinishedAt?.ToUnixTimeSeconds() : null,
            ["status"] = status,
            ["background"] = details.Background,
            ["conversation"] = details.ConversationId is { } conversation ? new JsonObject { ["id"] = conversation.ToString() } : null,
            ["error"] = ErrorOf(job),
            ["incomplete_details"] = status == "incomplete" ? new JsonObject { ["reason"] = ReasonOf(job) } : null,
            ["instructions"] = details.Instructions,
            ["max_output_tokens"] = details.MaxOutputTokens,
            ["model"] = job.Model,
            ["output"] = OutputOf(job, status),
            ["parallel_tool_calls"] = details.ParallelToolCalls ?? true,
            ["previous_response_id"] = details.PreviousResponseId,
            ["reasoning"] = new JsonObject { ["effort"] = details.ReasoningEffort, ["summary"] = null },
            ["service_tier"] = ChatCompletionObject.TierOf(job),
            ["store"] = details.Store,
            ["temperature"] = details.Temperature,
            ["text"] = Node(details.Text) ?? new JsonObject { ["format"] = new JsonObject { ["type"] = "text" } },
            ["tool_choice"] = Node(details.ToolChoice) ?? "auto",
            ["tools"] = Node(details.Tools) ?? new JsonArray(),
            ["top_p"] = details.TopP,
            ["truncation"] = "disabled",
            ["usage"] = job.Usage is { } usage ? UsageOf(usage) : null,
            ["user"] = details.User,
            ["metadata"] = MetadataOf(job),
        };
    }

    public static JsonObject MessageOf(Guid jobId, string status, string? text) =>
        new()
        {
            ["id"] = ResponseIds.Message(jobId),
            ["type"] = "message",
            ["status"] = status,
            ["role"] = "assistant",
            ["content"] = text is null ? new JsonArray() : new JsonArray(PartOf(text)),
        };

    public static JsonObject PartOf(string text) =>
        new()
        {
            ["type"] = "output_text",
            ["text"] = text,
            ["annotations"] = new JsonArray(),
            ["logprobs"] = new JsonArray(),
        };

    public static JsonObject CallOf(Guid jobId, int index, string status, ChatToolCall call, string? arguments) =>
        new()
        {
            ["id"] = ResponseIds.Call(jobId, index),
            ["type"] = "function_call",
            ["status"] = status,
            ["call_id"] = call.Id,
            ["name"] = call.Function!.Name,
            ["arguments"] = arguments ?? "",
        };

    private static JsonArray OutputOf(Job job, string status)
    {
        var items = new JsonArray();
        // What is written meanwhile is in the stream; here it would be an old state of it.
        if (job.Output is not { } output || status is "queued" or "in_progress")
        {
            return items;
        }

        var ofItem = status == "completed" ? "completed" : "incomplete";
        if (output.Text.Length > 0)
        {
            items.Add(MessageOf(job.Id, ofItem, output.Text));
        }

        for (var i = 0; i < output.ToolCalls.Count; i++)
        {
            items.Add(CallOf(job.Id, i, "completed", output.ToolCalls[i], output.ToolCalls[i].Function!.Arguments));
        }

        return items;
    }

    private static JsonObject? ErrorOf(Job job) =>
        job is { Status: JobStatuses.Failed, Error: { } error }
            ? new JsonObject
            {
                ["code"] = error.Class switch
                {
                    "rate_limited" => "rate_limit_exceeded",
                    "caller_error" => "invalid_prompt",
                    _ => "server_error",
                },
                ["message"] = error.Message,
            }
            : null;

    private static string ReasonOf(Job job) =>
        ChatCompletionObject.FinishReasonOf(job) == "content_filter" ? "content_filter" : "max_output_tokens";

    private static JsonObject UsageOf(JobUsage usage) =>
        new()
        {
            ["input_tokens"] = usage.InputTokens,
            ["input_tokens_details"] = new JsonObject { ["cached_tokens"] = usage.CachedTokens },
            ["output_tokens"] = usage.OutputTokens,
            ["output_tokens_details"] = new JsonObject { ["reasoning_tokens"] = usage.ReasoningTokens },
            ["total_tokens"] = usage.InputTokens + usage.OutputTokens,
        };

    /// <summary>The caller's own pairs, and what OpenAI's protocol has no member for.</summary>
    private static JsonObject MetadataOf(Job job)
    {
        var metadata = new JsonObject();
        foreach (var (key, value) in job.Metadata)
        {
            metadata[key] = value;
        }

        metadata["aibackend_job_id"] = job.Id.ToString();
        metadata["aibackend_status"] = job.Status;
        if (job.Queue?.WaitingReason is { } reason)
        {
            metadata["aibackend_waiting_reason"] = reason;
        }

        if (job.Error is { } error)
        {
            metadata["aibackend_error"] = error.Code;
        }

        if (job.Usage?.CostUsd is { } cost)
        {
            metadata["aibackend_cost_usd"] = cost.ToString(CultureInfo.InvariantCulture);
        }

        if (job.ServedBy is { Simulated: true })
        {
            metadata["aibackend_simulated"] = "true";
        }

        return metadata;
    }

    private static JsonNode? Node(JsonElement? element) =>
        element is { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) } given ? JsonNode.Parse(given.GetRawText()) : null;
}
