using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.ApiContracts.Prompts;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>Body of <c>POST /api/v1/jobs</c>: one piece of AI work to accept.</summary>
public sealed record SubmitJobRequest
{
    /// <summary>Kind of work. <c>chat</c> today.</summary>
    public string? Type { get; init; }

    /// <summary>Route or model name. Default <c>default</c>: the first configured provider that answers.</summary>
    public string? Model { get; init; }

    /// <summary>The caller's feature this work belongs to, for statistics and cost; at most 64 characters.</summary>
    public string? Feature { get; init; }

    /// <summary><c>interactive</c>, <c>standard</c> (default) or <c>batch</c>.</summary>
    public string? Priority { get; init; }

    /// <summary>The work itself; its shape depends on <see cref="Type"/>, see <see cref="ChatInput"/>.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>Earliest start. Null starts as soon as a worker is free.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Latest useful moment. A job that has not finished by then fails with <c>deadline_exceeded</c>.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Tries before the job fails for good, 1 to 20. Default 5.</summary>
    public int? MaxAttempts { get; init; }

    /// <summary>What all provider calls of the job together may cost, in US dollars, above 0. The job fails with <c>max_cost_exceeded</c> when the next call is likely to cost more than is left. Null is no limit of its own.</summary>
    public decimal? MaxCostUsd { get; init; }

    /// <summary>The caller's own user, for statistics and limits; at most 128 characters.</summary>
    public string? User { get; init; }

    /// <summary>
    /// <c>off</c> (default), or <c>read_write</c>: the answer may be that of an equal job of the tenant, the same model and input to the letter,
    /// and may serve later ones; of equal jobs at the same time one asks and the others wait for it.
    /// </summary>
    public string? Cache { get; init; }

    /// <summary>What the answer must be before it counts as the output; the route's own, if it has one, when it is left out. Only for <c>chat</c>.</summary>
    public OutputContract? Contract { get; init; }

    /// <summary>Passages that the model is given before the messages, looked for when the job begins. Only for <c>chat</c>, and for keys with <c>knowledge:read</c>.</summary>
    public KnowledgeQuery? Retrieve { get; init; }

    /// <summary>The conversation that the job continues: the model is given what was said before, and question and answer become part of it. Only for <c>chat</c>.</summary>
    public JobConversation? Conversation { get; init; }

    /// <summary>Up to 16 files that the model is given before the last user message. Only for <c>chat</c>.</summary>
    public IReadOnlyList<Attachment>? Attachments { get; init; }

    /// <summary>Asks for the answer as a file too, in <c>artifacts</c> of the completed job. Only for <c>chat</c>.</summary>
    public ArtifactRequest? Artifact { get; init; }

    /// <summary>How many calls of registered tools the job may make, 1 to 100; more fail it with <c>tool_limit</c>. Null is the installation's limit, and never more than it.</summary>
    public int? MaxToolCalls { get; init; }

    /// <summary>Where messages about this job go, besides the tenant's webhooks; null is nowhere.</summary>
    public JobWebhook? Webhook { get; init; }

    /// <summary>Up to 16 string pairs kept with the job and returned with it; keys at most 64, values at most 512 characters.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

/// <summary>Where messages about one job go.</summary>
public sealed record JobWebhook
{
    /// <summary>An https address on the internet, at most 2048 characters. Messages are signed with the secret of the tenant's webhook <c>for_jobs</c>.</summary>
    public string? Url { get; init; }
}

/// <summary>Input of a <c>chat</c> job.</summary>
public sealed record ChatInput
{
    /// <summary>The conversation, oldest first; at least one message with text, unless there is a prompt.</summary>
    public IReadOnlyList<ChatMessageInput>? Messages { get; init; }

    /// <summary>A stored prompt, whose messages come before <see cref="Messages"/>. Its version is pinned when the job is accepted.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PromptReference? Prompt { get; init; }

    /// <summary>Upper bound of the answer in tokens, 1 to 1 000 000. Null leaves it to the model; Anthropic's may then write 16 384.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Sampling temperature, 0 to 2. Null leaves it to the model; providers that take none, such as Anthropic, are sent none.</summary>
    public double? Temperature { get; init; }

    // Null is not written below: what is stored, and what makes two requests the same, stays as it was before these members came.

    /// <summary>Nucleus sampling, 0 to 1. Null leaves it to the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? TopP { get; init; }

    /// <summary>Up to 4 texts that end the answer where the model would write them.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Stop { get; init; }

    /// <summary>Asks for the same sampling each time, as far as the model can.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Seed { get; init; }

    /// <summary>Makes the model say new things, -2 to 2. Null leaves it to the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? PresencePenalty { get; init; }

    /// <summary>Makes the model repeat itself less, -2 to 2. Null leaves it to the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? FrequencyPenalty { get; init; }

    /// <summary>How much a reasoning model thinks: <c>none</c>, <c>minimal</c>, <c>low</c>, <c>medium</c>, <c>high</c> or <c>xhigh</c>. Null leaves it to the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ReasoningEffort { get; init; }

    /// <summary>
    /// Tools that the model may call. A string names a registered tool, which is run here, and the model goes on with its result. Calls of the
    /// others are the job's output; the next job's messages have their results.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<OfferedTool>? Tools { get; init; }

    /// <summary><c>auto</c> (default), <c>none</c>, <c>required</c>, or <c>{"type": "function", "function": {"name": "…"}}</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? ToolChoice { get; init; }

    /// <summary>Whether several tools may be called at once. Null leaves it to the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? ParallelToolCalls { get; init; }

    /// <summary>The form of the answer; null is text.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatAnswerFormat? ResponseFormat { get; init; }
}

/// <summary>One message of a conversation.</summary>
public sealed record ChatMessageInput
{
    /// <summary><c>system</c>, <c>developer</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</summary>
    public string? Role { get; init; }

    /// <summary>The text; not empty, but for a tool's result and a message that only calls tools or only has files.</summary>
    public string? Content { get; init; }

    /// <summary>With <c>user</c>: files that come with it, before its text, which may then be missing. Up to 16 different ones in all messages.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<MessageAttachment>? Attachments { get; init; }

    /// <summary>With <c>assistant</c>: the tools that it called.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatToolCall>? ToolCalls { get; init; }

    /// <summary>With <c>tool</c>: which call this is the result of.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ToolCallId { get; init; }
}

/// <summary>Input of a <c>noop</c> job, which measures the queue and is refused in Production.</summary>
public sealed record NoopInput
{
    /// <summary>Free text that makes the job as large as the measurement needs.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Padding { get; init; }

    /// <summary>How long the job holds its slot, in milliseconds, up to a minute; none by default.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Milliseconds { get; init; }
}
