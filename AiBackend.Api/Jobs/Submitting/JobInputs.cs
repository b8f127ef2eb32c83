using System.Collections.ObjectModel;
using System.Diagnostics;
using System.Text.Json;
using AiBackend.Api.Conversations;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>An input as it is stored.</summary>
/// <param name="Json">Written anew from what was read, so that only known members of known shape reach the workers.</param>
/// <param name="Title">First words, for lists; null when there are none.</param>
/// <param name="Version">The oldest version of workers that understands it.</param>
/// <param name="Tools">Registered tools that it names; null when none.</param>
internal readonly record struct StoredInput(
    string Json,
    string? Title,
    short Version = JobSchema.First,
    IReadOnlyList<string>? Tools = null
)
{
    /// <summary>What it has to be made of before it is a job's; null when it is whole.</summary>
    public PromptReference? Prompt { get; init; }

    /// <summary>Files that its messages name, and how many of them each.</summary>
    public IReadOnlyDictionary<Guid, int> Files
    {
        get => field ?? ReadOnlyDictionary<Guid, int>.Empty;
        init;
    }

    /// <summary>Why it cannot be what a user says next in a conversation; null when it can.</summary>
    public (string Field, string Message)? NoTurn { get; init; }
}

/// <summary>Reads the member <c>input</c>, whose shape depends on the job's type.</summary>
internal static class JobInputs
{
    /// <returns>Why it is refused outright, or null. When nothing was added to <paramref name="errors"/> either, <paramref name="stored"/> is set.</returns>
    public static Refusal? TryRead(JobType type, ReadOnlySpan<byte> body, JsonElement? input, FieldErrors errors, out StoredInput stored) =>
        type switch
        {
            JobType.Chat => TryReadChat(body, input, errors, out stored),
            JobType.Noop => TryReadNoop(body, input, out stored),
            JobType.Workflow => RefuseRun(errors, out stored),
            JobType.Tool or JobType.Review => RefuseStep(errors, out stored),
            _ => throw new UnreachableException(),
        };

    private static Refusal? TryReadChat(ReadOnlySpan<byte> body, JsonElement? input, FieldErrors errors, out StoredInput stored)
    {
        stored = default;
        if (input is not { } element)
        {
            return ChatRules.Check(new ChatInput(), errors);
        }

        if (JobRequestJson.TryReadInput(body, element, WireJson.Default.ChatInput, out var chat) is { } unreadable)
        {
            return unreadable;
        }

        if (ChatRules.Check(chat, errors) is { } refusal)
        {
            return refusal;
        }

        // The order in which variables are sent means nothing.
        var sorted = chat.Prompt is { Variables: { } variables } prompt
            ? chat with
            {
                Prompt = prompt with
                {
                    Variables = new SortedDictionary<string, JsonElement>(variables.ToDictionary(), StringComparer.Ordinal),
                },
            }
            : chat;
        stored = errors.IsEmpty ? Of(sorted) : default;
        return null;
    }

    /// <summary>A chat that keeps the rules, as it is stored.</summary>
    public static StoredInput Of(ChatInput chat) =>
        new(
            JsonSerializer.Serialize(chat, WireJson.Default.ChatInput),
            ChatRules.Title(chat) is { Length: > 0 } title ? title : null,
            JobSchema.Of(chat),
            chat.Tools?.Select(tool => tool.Registered).OfType<string>().ToList() is { Count: > 0 } names ? names : null
        )
        {
            Prompt = chat.Prompt,
            Files = JobFileRules.In(chat),
            NoTurn = ConversationRules.WhyNoTurn(chat),
        };

    /// <summary>A run's input has the workflow in it, and is made by the workflow's own address alone.</summary>
    private static Refusal? RefuseRun(FieldErrors errors, out StoredInput stored)
    {
        stored = default;
        errors.Add(
            "input",
            "of a run cannot be changed without from_step; send it, too, or run the workflow with another input: POST /api/v1/workflows/{name}/runs."
        );
        return null;
    }

    /// <summary>A step's input is what its workflow says.</summary>
    private static Refusal? RefuseStep(FieldErrors errors, out StoredInput stored)
    {
        stored = default;
        errors.Add(
            "input",
            "of a step cannot be changed; run its workflow again from the step: POST /api/v1/workflows/{name}/runs with rerun."
        );
        return null;
    }

    private static Refusal? TryReadNoop(ReadOnlySpan<byte> body, JsonElement? input, out StoredInput stored)
    {
        stored = new StoredInput("{}", null);
        if (input is not { } element)
        {
            return null;
        }

        if (JobRequestJson.TryReadInput(body, element, WireJson.Default.NoopInput, out var noop) is { } unreadable)
        {
            return unreadable;
        }

        stored = new StoredInput(JsonSerializer.Serialize(noop, WireJson.Default.NoopInput), null);
        return null;
    }
}
