using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Prompts;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Prompts;

/// <summary>Puts another version of a prompt in place of the one that an ended job was made of.</summary>
/// <remarks>What the old version brought into the job goes with it; what the caller said himself stays, as if he had named the new version then.</remarks>
internal sealed class ReplayedPrompts(PromptedJobs prompted, PromptReads prompts, ReplayJob jobs, JobTermsRules rules)
{
    /// <summary>The member of a replay's body.</summary>
    public const string Place = "prompt";

    /// <param name="source">A chat that has ended.</param>
    /// <param name="order">Its replay.</param>
    /// <param name="reference">The version, and what goes into it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<(Refusal? Refusal, ReplayOrder Order)> ExpandAsync(
        ReplaySource source,
        ReplayOrder order,
        PromptReference reference,
        CancellationToken cancellationToken
    )
    {
        if (await jobs.FindInputAsync(order.TenantId, order.JobId, cancellationToken) is not { } input)
        {
            // Deleted meanwhile: whoever makes the new job says so.
            return (null, order);
        }

        var template = await FindTemplateAsync(order.TenantId, JobTerms.Read(source.Terms).Prompt, cancellationToken);
        var chat = JsonSerializer.Deserialize(input, WireJson.Default.ChatInput)!;
        var own = OwnOf(source, order, chat, template) with { Prompt = reference };
        var (refusal, whole) = await prompted.ExpandAsync(own, cancellationToken, Place);
        return refusal is null
            ? (
                null,
                order with
                {
                    Model = whole.Model == source.Model ? null : whole.Model,
                    Input = whole.Input,
                    Title = whole.Title,
                    Terms = whole.Terms,
                }
            )
            : (refusal, order);
    }

    private async Task<PromptTemplate?> FindTemplateAsync(Guid tenantId, string? pin, CancellationToken cancellationToken)
    {
        if (pin is null)
        {
            return null;
        }

        var (name, version) = PromptNames.Unpin(pin);
        var reference = new PromptReference { Name = name, Version = version };
        return await prompts.ChooseAsync(tenantId, reference, "", cancellationToken) is PromptChoice.Version(_, var template)
            ? template
            : null;
    }

    /// <summary>The job without what a prompt brought into it.</summary>
    private JobDraft OwnOf(ReplaySource source, ReplayOrder order, ChatInput chat, PromptTemplate? template)
    {
        var terms = JobTerms.Read(source.Terms);
        var others = terms with { Contract = null };
        others = terms.Prompt is { } pin
            ? rules.OfPrompt(others, source.Model, pin, template?.Contract)
            : rules.OfChat(others, source.Model);
        return new JobDraft
        {
            Id = order.JobId,
            TenantId = order.TenantId,
            KeyId = order.KeyId,
            Type = JobType.Chat,
            Priority = source.Priority,
            MaxAttempts = JobDraft.DefaultMaxAttempts,
            // The canary of a label is drawn by it, as for a new job.
            EndUser = source.EndUser,
            Model = order.Model ?? (template?.Model == source.Model ? ProviderCatalog.DefaultRoute : source.Model),
            Input = JsonSerializer.Serialize(Without(chat, template), WireJson.Default.ChatInput),
            Terms = (terms with { Prompt = null, Contract = IsSame(terms.Contract, others.Contract) ? null : terms.Contract }).ToColumn(),
        };
    }

    private static ChatInput Without(ChatInput chat, PromptTemplate? template)
    {
        var parameters = template?.Parameters;
        return chat with
        {
            Messages = [.. (chat.Messages ?? []).Skip(template?.Messages?.Count ?? 0)],
            MaxOutputTokens = chat.MaxOutputTokens == parameters?.MaxOutputTokens ? null : chat.MaxOutputTokens,
            Temperature = chat.Temperature.Equals(parameters?.Temperature) ? null : chat.Temperature,
            TopP = chat.TopP.Equals(parameters?.TopP) ? null : chat.TopP,
            Stop = chat.Stop is { } stop && parameters?.Stop?.SequenceEqual(stop, StringComparer.Ordinal) == true ? null : chat.Stop,
            ReasoningEffort = chat.ReasoningEffort == parameters?.ReasoningEffort ? null : chat.ReasoningEffort,
        };
    }

    private static bool IsSame(OutputContract? one, OutputContract? other) => JsonOf(one) == JsonOf(other);

    private static string JsonOf(OutputContract? contract) => new JobTerms { Contract = contract }.ToColumn() ?? "";
}
