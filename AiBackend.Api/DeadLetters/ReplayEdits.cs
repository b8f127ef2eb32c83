using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Prompts;
using AiBackend.Api.Workflows;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.DeadLetters;

/// <summary>What the new job of a replay has otherwise than the old one.</summary>
internal sealed class ReplayEdits(ReplayedPrompts prompts, ReplayedRuns runs)
{
    /// <summary>Reads a body, and says what is wrong with it whenever it comes.</summary>
    /// <param name="body">The body.</param>
    /// <param name="type">Of the old job.</param>
    /// <param name="request">What it says, when it is not refused.</param>
    /// <param name="order">Has what needs nothing else.</param>
    public static Refusal? TryRead(ReadOnlySpan<byte> body, JobType type, out ReplayRequest request, ref ReplayOrder order)
    {
        if (StrictBody.TryRead(body, WireJson.Default.ReplayRequest, BodyDiagnosis.InputOf(type.ToWire()), out request) is { } unreadable)
        {
            return unreadable;
        }

        var errors = new FieldErrors();
        JobFieldRules.CheckModel(request.Model, errors);
        CheckTogether(request, type, errors);
        var input = default(StoredInput);
        if (request is { Input: { } given, FromStep: null } && JobInputs.TryRead(type, body, given, errors, out input) is { } badInput)
        {
            return badInput;
        }

        if (input.Prompt is not null)
        {
            errors.Add("input.prompt", "is for new jobs alone; send prompt beside input, or submit a new job.");
        }

        JobFileRules.CheckTogether([], input.Files, errors);
        order = order with { Model = request.Model, Input = input.Json, Title = input.Title };
        return errors.ToRefusal();
    }

    /// <summary>Makes whole what refers to a prompt, or to steps of a run.</summary>
    public async Task<(Refusal? Refusal, ReplayOrder Order)> ApplyAsync(
        HttpContext context,
        ReplaySource source,
        ReplayOrder order,
        ReplayRequest request
    ) =>
        request.Prompt is { } prompt ? await prompts.ExpandAsync(source, order, prompt, context.RequestAborted)
        : request.FromStep is { } step ? await runs.FromStepAsync(context, order, step, request.Input)
        : (null, order);

    /// <summary>What was asked for, in the caller's words: what a label or a tool's newest version says may be another thing when the request comes again.</summary>
    public static string WordsOf(ReplayRequest request, ReplayOrder order) =>
        request.Prompt is { } prompt ? "prompt\0" + JsonSerializer.Serialize(Sorted(prompt), WireJson.Default.PromptReference)
        : request.FromStep is { } step ? $"from_step\0{step}\0{request.Input?.GetRawText()}"
        : order.Input ?? "";

    private static PromptReference Sorted(PromptReference prompt) =>
        prompt with
        {
            Variables = prompt.Variables is { } variables
                ? new SortedDictionary<string, JsonElement>(variables.ToDictionary(), StringComparer.Ordinal)
                : null,
        };

    private static void CheckTogether(ReplayRequest request, JobType type, FieldErrors errors)
    {
        if (request.FromStep is not null && type != JobType.Workflow)
        {
            errors.Add("from_step", $"is for runs of workflows; this job is a {type.ToWire()}. Leave it out.");
        }

        if (request is { FromStep: not null, Model: not null })
        {
            errors.Add("model", "is given with from_step; steps say themselves which models they ask. Leave it out.");
        }

        if (request.Prompt is not { } prompt)
        {
            return;
        }

        if (type != JobType.Chat)
        {
            errors.Add("prompt", $"is for jobs of the type chat; this job is a {type.ToWire()}. Leave it out.");
        }

        if (request.Input is not null)
        {
            errors.Add("prompt", "is given with input; send one of them: with prompt the caller's own messages stay.");
        }

        PromptedJobs.Check(prompt, errors, ReplayedPrompts.Place);
    }
}
