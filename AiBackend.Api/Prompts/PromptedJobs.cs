using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Cache;
using AiBackend.Core.Jobs;
using AiBackend.Core.Prompts;
using AiBackend.Core.Providers;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Queue.Outlook;

namespace AiBackend.Api.Prompts;

/// <summary>Makes whole what refers to a stored prompt: its messages go before the caller's, and its version is pinned.</summary>
/// <remarks>
/// When the job is accepted and not when the request is read: what makes two requests the same is what their callers said, so that a
/// repeat is answered as then although a label says something else now.
/// </remarks>
internal sealed class PromptedJobs(PromptReads prompts, JobTermsRules terms, QueuePools pools, JobEstimates estimates, LineOutlook outlook)
{
    private const string OfInput = "input.prompt";

    /// <summary>Looks at what is right or wrong about a reference, whatever prompts there are.</summary>
    public static void Check(PromptReference reference, FieldErrors errors, string place = OfInput)
    {
        if (!PromptNames.IsName(reference.Name))
        {
            errors.Add(
                place + ".name",
                $"is {(reference.Name is null ? "missing" : Quoted.Of(reference.Name))}; send the name of a prompt."
            );
        }

        if (reference.Label is { } label && !PromptNames.IsName(label))
        {
            errors.Add(place + ".label", $"is {Quoted.Of(label)}; send the name of a label.");
        }

        if (reference is { Version: not null, Label: not null })
        {
            errors.Add(place + ".label", "is given with version; send one of them.");
        }
    }

    /// <param name="draft">What may refer to a prompt.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="place">Where the reference stands in the body.</param>
    public async ValueTask<(Refusal? Refusal, JobDraft Draft)> ExpandAsync(
        JobDraft draft,
        CancellationToken cancellationToken,
        string place = OfInput
    )
    {
        if (draft.Prompt is not { } reference)
        {
            return (null, draft);
        }

        var key = draft.EndUser ?? draft.IdempotencyKey ?? draft.Id.ToString();
        return await prompts.ChooseAsync(draft.TenantId, reference, key, cancellationToken) switch
        {
            PromptChoice.Version(var number, var template) => Expand(draft, reference, number, template, place),
            PromptChoice.NoVersion(var latest) => (NoVersion(reference, latest, place), draft),
            _ => (
                ProblemTypes.InvalidValue.At(
                    place + ".name",
                    $"{place}.name is {Quoted.Of(reference.Name!)}, which is no prompt here. GET /api/v1/prompts lists them."
                ),
                draft
            ),
        };
    }

    /// <summary>A prompt's parameters where a chat has none of its own.</summary>
    public static ChatInput Apply(PromptParameters? parameters, ChatInput chat) =>
        chat with
        {
            MaxOutputTokens = chat.MaxOutputTokens ?? parameters?.MaxOutputTokens,
            Temperature = chat.Temperature ?? parameters?.Temperature,
            TopP = chat.TopP ?? parameters?.TopP,
            Stop = chat.Stop ?? parameters?.Stop,
            ReasoningEffort = chat.ReasoningEffort ?? parameters?.ReasoningEffort,
        };

    private (Refusal? Refusal, JobDraft Draft) Expand(
        JobDraft draft,
        PromptReference reference,
        int version,
        PromptTemplate template,
        string place
    )
    {
        var errors = new FieldErrors();
        var pin = PromptNames.Pin(reference.Name!, version);
        var first = PromptExpansion.Expand(template, reference.Variables, pin, (at, fault) => errors.Add($"{place}.{at}", fault));
        if (errors.ToRefusal() is { } wrong)
        {
            return (wrong, draft);
        }

        var asked = JsonSerializer.Deserialize(draft.Input, WireJson.Default.ChatInput)!;
        var chat = Apply(template.Parameters, asked with { Prompt = null, Messages = [.. first, .. asked.Messages ?? []] });
        // Variables that are empty can leave a message without text, and together there can be too many.
        if ((ChatRules.Check(chat, errors, place + ".") ?? errors.ToRefusal()) is { } refusal)
        {
            return (refusal, draft);
        }

        // Who sends the default's name means what who sends none means: they are the same request.
        var model = draft.Model == ProviderCatalog.DefaultRoute && template.Model is { } own ? own : draft.Model;
        var input = JobInputs.Of(chat);
        var pinned = terms.OfPrompt(JobTerms.Read(draft.Terms), model, pin, template.Contract);
        var whole = draft with
        {
            Prompt = null,
            Model = model,
            Pool = pools.PoolOf(model),
            Input = input.Json,
            InputVersion = pinned.Version,
            Title = input.Title,
            Terms = pinned.ToColumn(),
        };
        whole = whole.CacheKey is null ? whole : whole with { CacheKey = CacheKey.Of(whole) };
        return (null, outlook.Foresee(estimates.Estimate(whole)));
    }

    private static Refusal NoVersion(PromptReference reference, int latest, string place)
    {
        if (reference.Version is { } version)
        {
            return ProblemTypes.InvalidValue.At(
                place + ".version",
                FormattableString.Invariant($"{place}.version is {version}; {reference.Name} has the versions 1 to {latest}.")
            );
        }

        var label = reference.Label ?? PromptNames.Production;
        return ProblemTypes.InvalidValue.At(
            place + ".label",
            $"{place}.label is {Quoted.Of(label)}{(reference.Label is null ? ", because none was sent" : "")}; no version of {reference.Name} has it. Set it with PUT /api/v1/prompts/{reference.Name}/labels/{label}, or send another label or a version."
        );
    }
}
