using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Prompts;

namespace AiBackend.Core.Jobs;

/// <summary>A validated piece of work on its way into the database.</summary>
public sealed record JobDraft
{
    /// <summary>Tries of a job whose caller does not say.</summary>
    public const int DefaultMaxAttempts = 5;

    /// <summary>The pool of jobs that no other pool takes.</summary>
    public const string DefaultPool = "default";

    /// <summary>Which workers' slots it takes.</summary>
    public string Pool { get; init; } = DefaultPool;

    /// <summary>Something it needs is paused, so that workers need not hear of it yet.</summary>
    public bool IsHeld { get; init; }

    /// <summary>UUIDv7 of the job to be.</summary>
    public required Guid Id { get; init; }

    /// <summary>Whose job it is.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>Public id of the API key that submits it.</summary>
    public string? KeyId { get; init; }

    /// <summary>Kind of work.</summary>
    public required JobType Type { get; init; }

    /// <summary>How urgent it is.</summary>
    public required JobPriority Priority { get; init; }

    /// <summary>Route or model name.</summary>
    public required string Model { get; init; }

    /// <summary>Tries allowed, at least 1.</summary>
    public required int MaxAttempts { get; init; }

    /// <summary>What it is expected to cost, in tokens; orders the line.</summary>
    public int ExpectedTokens { get; init; } = 1000;

    /// <summary>How long it is expected to run: the power of two, in milliseconds, that it does not exceed; orders the line. 8 s where nothing is known.</summary>
    public short ExpectedLength { get; init; } = 13;

    /// <summary>What its caller is told of its wait; null when nothing waits or nothing is known.</summary>
    public QueuePlace? Place { get; init; }

    /// <summary>Earliest start; null starts at once.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Latest useful moment; null has none.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The input as JSON.</summary>
    public required string Input { get; init; }

    /// <summary>The oldest version of workers that understands <see cref="Input"/>.</summary>
    public short InputVersion { get; init; } = JobSchema.First;

    /// <summary>What <see cref="Input"/> has to be made of before it is accepted; null when it is whole.</summary>
    public PromptReference? Prompt { get; init; }

    /// <summary>What is asked of it besides the input, as JSON of <see cref="JobTerms"/>; null is nothing.</summary>
    public string? Terms { get; init; }

    /// <summary>The conversation that it continues; null is none.</summary>
    public Guid? ConversationId { get; init; }

    /// <summary>Whether its answer becomes a file.</summary>
    public bool WritesArtifact { get; init; }

    /// <summary>The job that it does again, or goes on from; null is none.</summary>
    public Guid? ReplayOf { get; init; }

    /// <summary>The conversation that it writes a summary of; null is none.</summary>
    public Guid? SummaryOf { get; init; }

    /// <summary>Whether it is only accepted while no other job of its conversation is open.</summary>
    public bool IsRefusedWhenOthersAreOpen { get; init; }

    /// <summary>What the door it came through keeps with it, as JSON; null for the native API. Workers pass it over.</summary>
    public string? Details { get; init; }

    /// <summary>First words of the input, for lists; null when it has no text.</summary>
    public string? Title { get; init; }

    /// <summary>The caller's feature.</summary>
    public string? Feature { get; init; }

    /// <summary>What makes a request equal to this one; null when it shares no answer.</summary>
    public byte[]? CacheKey { get; init; }

    /// <summary>The caller's own user.</summary>
    public string? EndUser { get; init; }

    /// <summary>What all its calls together may cost, in US dollars; null is no limit of its own.</summary>
    public decimal? MaxCostUsd { get; init; }

    /// <summary>JSON object of strings; null when there is none.</summary>
    public string? Metadata { get; init; }

    /// <summary>Where messages about it go besides the tenant's webhooks; null is nowhere.</summary>
    public string? WebhookUrl { get; init; }

    /// <summary>W3C traceparent of the submitting request.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The caller's key for this request; null submits unconditionally.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>SHA-256 of the request's meaning; required with <see cref="IdempotencyKey"/>.</summary>
    public byte[]? Fingerprint { get; init; }

    /// <summary>Files of the input that are to be stored before it; null is none.</summary>
    public SentFiles? Files { get; init; }
}

/// <summary>Versions of the stored shape of inputs, outputs and events.</summary>
public static class JobSchema
{
    /// <summary>The newest that this build reads and writes; older versions are read through upcasters.</summary>
    public const short Version = 4;

    /// <summary>Steps of workflows that are no chats, and limits that a run shares.</summary>
    public const short Steps = 4;

    /// <summary>Jobs whose terms have files.</summary>
    public const short Files = 4;

    /// <summary>Jobs with terms, see <see cref="JobTerms"/>.</summary>
    public const short Terms = 3;

    /// <summary>Tools, formats, and what else a chat may ask for.</summary>
    public const short Tools = 2;

    /// <summary>The first: all that text needs.</summary>
    public const short First = 1;

    /// <summary>The oldest version that understands a chat: what an older worker would pass over without a word makes it one for newer workers.</summary>
    public static short Of(ChatInput chat) =>
        chat
            is { TopP: null, Stop: null, Seed: null, PresencePenalty: null, FrequencyPenalty: null, ReasoningEffort: null }
                and { Tools: null, ToolChoice: null, ParallelToolCalls: null, ResponseFormat: null }
        && (chat.Messages ?? []).All(message => message is { ToolCalls: null, ToolCallId: null, Role: not "developer", Attachments: null })
            ? First
            : Tools;
}
