using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Knowledge;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Tools;
using AiBackend.Core.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary>Looks at what the steps of a workflow ask of their jobs, as if it were asked of a job.</summary>
internal static class StepRules
{
    public static Refusal? Check(WorkflowDefinition definition)
    {
        var errors = new FieldErrors();
        if (CheckSchema(definition.Contract, "") is { } forbidden)
        {
            return forbidden;
        }

        for (var i = 0; i < definition.Steps!.Count; i++)
        {
            var (step, place) = (definition.Steps[i], FormattableString.Invariant($"steps[{i}]."));
            if (step.Type == StepTypes.Map)
            {
                if (CheckSchema(step.Contract, place) is { } refused)
                {
                    return refused;
                }

                (step, place) = (step.Step!, place + "step.");
            }

            CheckJob(step, place, errors);
            if (((step.Type == StepTypes.Chat ? CheckChat(step, place, errors) : null) ?? CheckSchema(step.Contract, place)) is { } refusal)
            {
                return refusal;
            }
        }

        return errors.ToRefusal();
    }

    /// <summary>Every model that a run may ask.</summary>
    public static IEnumerable<string> ModelsOf(WorkflowDefinition definition) =>
        definition
            .Steps!.Select(step => step.Step ?? step)
            .Where(step => step.Type == StepTypes.Chat)
            .SelectMany(step => JudgesOf(step).Prepend(step.Model ?? ProviderCatalog.DefaultRoute))
            .Distinct(StringComparer.Ordinal);

    /// <summary>Every tool that a run may call.</summary>
    public static IReadOnlyList<string> ToolsOf(WorkflowDefinition definition) =>
        [
            .. definition
                .Steps!.Select(step => step.Step ?? step)
                .SelectMany(step => step.Tool is { } tool ? [tool] : step.Tools ?? [])
                .Distinct(StringComparer.Ordinal),
        ];

    private static IEnumerable<string> JudgesOf(WorkflowStep step) => new JobTerms { Contract = step.Contract }.Judges;

    private static void CheckAttachments(IReadOnlyList<string>? attachments, string place, FieldErrors errors)
    {
        if (attachments?.Count > Attachment.Most)
        {
            errors.Add(place + "attachments", $"has {attachments.Count} files; at most {Attachment.Most} are allowed.");
        }

        for (var i = 0; i < attachments?.Count; i++)
        {
            if (attachments[i] is not { } text || !(WorkflowTemplates.IsOne(text) || Guid.TryParse(text, out _)))
            {
                errors.Add(
                    FormattableString.Invariant($"{place}attachments[{i}]"),
                    $"is {Quoted.Of(attachments[i] ?? "null")}; it must be one placeholder, such as {{{{input.file}}}}, or the id of a file."
                );
            }
        }
    }

    private static void CheckJob(WorkflowStep step, string place, FieldErrors errors)
    {
        if (step.Priority is { } priority && !JobTraitNames.TryParsePriority(priority, out _))
        {
            errors.Add(
                place + "priority",
                $"is {Quoted.Of(priority)}; it must be one of {string.Join(", ", JobTraitNames.AllPriorities)}."
            );
        }

        errors.CheckRange(place + "max_attempts", step.MaxAttempts, 1, 20);
        errors.CheckRange(place + "max_tool_calls", step.MaxToolCalls, 1, ToolsOptions.MostCalls);
    }

    private static Refusal? CheckChat(WorkflowStep step, string place, FieldErrors errors)
    {
        errors.CheckText(place + "model", step.Model, 128);
        if (step.Retrieve is { } query)
        {
            KnowledgeRules.CheckOfJob(query, errors);
        }

        CheckAttachments(step.Attachments, place, errors);
        if (step.Artifact is { } artifact)
        {
            JobFileRules.CheckArtifact(artifact, step.Contract, place + "artifact", errors);
        }

        var chat = new ChatInput
        {
            Messages = step.Messages,
            MaxOutputTokens = step.MaxOutputTokens,
            Temperature = step.Temperature,
            Tools = step.Tools?.Select(name => new OfferedTool { Registered = name }).ToList(),
        };
        if (step.Messages?.Any(message => message?.Attachments is { Count: > 0 }) == true)
        {
            errors.Add(place + "messages", "have attachments; name the files in attachments of the step.");
        }

        return ChatRules.Check(chat, errors, place);
    }

    private static Refusal? CheckSchema(OutputContract? contract, string place) =>
        contract is { Schema: { ValueKind: System.Text.Json.JsonValueKind.Object } schema }
            ? ForbiddenMembers.Find(schema, place + "contract.schema")
            : null;
}
