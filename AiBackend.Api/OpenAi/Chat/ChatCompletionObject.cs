using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Chat;

/// <summary>The answer of a chat completion that is not streamed.</summary>
internal sealed record ChatCompletionObject
{
    public required string Id { get; init; }
    public string Object { get; } = "chat.completion";
    public required long Created { get; init; }
    public required string Model { get; init; }
    public required IReadOnlyList<ChatChoice> Choices { get; init; }
    public ChatUsageObject? Usage { get; init; }
    public required string ServiceTier { get; init; }
    public string? SystemFingerprint { get; init; }

    public static ChatCompletionObject Of(Job job) =>
        new()
        {
            Id = IdOf(job.Id),
            Created = job.CreatedAt.ToUnixTimeSeconds(),
            Model = job.Model,
            Choices = [new ChatChoice(0, AnswerOf(job.Output), FinishReasonOf(job))],
            Usage = job.Usage is { } usage ? ChatUsageObject.Of(usage) : null,
            ServiceTier = TierOf(job),
            SystemFingerprint = FingerprintOf(job),
        };

    public static string IdOf(Guid jobId) => $"chatcmpl-{jobId:N}";

    /// <summary>Why the answer is over. One that was cut off is never said to have stopped by itself.</summary>
    public static string FinishReasonOf(Job job) =>
        job switch
        {
            { Output.FinishReason: "content_filter" } => "content_filter",
            { Status: JobStatuses.PartiallyCompleted } => "length",
            { Output.ToolCalls.Count: > 0 } => "tool_calls",
            _ => "stop",
        };

    private static ChatAnswer AnswerOf(JobOutput? output) =>
        output is { ToolCalls: { Count: > 0 } calls }
            ? new(output.Text.Length > 0 ? output.Text : null) { ToolCalls = calls }
            : new(output?.Text ?? "");

    public static string TierOf(Job job) =>
        job.Priority switch
        {
            "interactive" => "priority",
            "batch" => "flex",
            _ => "default",
        };

    public static string? FingerprintOf(Job job) => job.ServedBy is { Simulated: true } ? "simulated" : null;
}

/// <summary>The one choice.</summary>
internal sealed record ChatChoice(int Index, ChatAnswer Message, string FinishReason)
{
    public string? Logprobs { get; }
}

/// <summary>What the model says.</summary>
internal sealed record ChatAnswer(string? Content)
{
    public string Role { get; } = "assistant";
    public string? Refusal { get; }
    public IReadOnlyList<string> Annotations { get; } = [];

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatToolCall>? ToolCalls { get; init; }
}

/// <summary>Tokens of a chat completion.</summary>
internal sealed record ChatUsageObject(
    long PromptTokens,
    long CompletionTokens,
    long TotalTokens,
    ChatPromptTokens PromptTokensDetails,
    ChatCompletionTokens CompletionTokensDetails
)
{
    public static ChatUsageObject Of(JobUsage usage) =>
        new(
            usage.InputTokens,
            usage.OutputTokens,
            usage.InputTokens + usage.OutputTokens,
            new(usage.CachedTokens),
            new(usage.ReasoningTokens)
        );
}

/// <summary>Of the prompt.</summary>
internal sealed record ChatPromptTokens(long CachedTokens)
{
    public long AudioTokens { get; }
}

/// <summary>Of the answer.</summary>
internal sealed record ChatCompletionTokens(long ReasoningTokens)
{
    public long AudioTokens { get; }
    public long AcceptedPredictionTokens { get; }
    public long RejectedPredictionTokens { get; }
}
