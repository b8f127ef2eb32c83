using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks.Inbound;

namespace AiBackend.Api.Webhooks.Inbound;

/// <summary>Makes a submit of a template and a message: what it means, and what is wrong with it, is decided where every submit is.</summary>
internal sealed class InboundJob(JobRequestRules rules)
{
    private const int MostText = 16_384;
    private const int LongestMetadata = 512;

    // Any message fits: places are empty, and the text around them must do.
    private static readonly JsonElement Nothing = JsonDocument.Parse("{}").RootElement;

    /// <returns>Why there can be no such template, or null.</returns>
    public Refusal? Check(WebhookJobTemplate? template, Caller caller)
    {
        var errors = new FieldErrors();
        if (template?.Prompt is not { Length: > 0 and <= MostText } prompt)
        {
            errors.Add("template.prompt", FormattableString.Invariant($"is missing, or has more than {MostText} characters."));
        }
        else if (PromptTemplate.Fault(prompt) is { } fault)
        {
            errors.Add("template.prompt", fault);
        }

        errors.CheckText("template.system", template?.System, MostText);
        foreach (var (name, value) in template?.Metadata ?? new Dictionary<string, string>(StringComparer.Ordinal))
        {
            if (PromptTemplate.Fault(value ?? "") is { } fault)
            {
                errors.Add($"template.metadata.{name}", fault);
            }
        }

        if (errors.ToRefusal() is { } refusal)
        {
            return refusal;
        }

        // A sample with something in the prompt: everything else is as it will be.
        var refused = Read(template! with { Prompt = "sample" }, Nothing, caller, out var draft);
        return refused
            ?? rules.RefusePriority(draft.Priority, caller)
            ?? CallerRights.RefuseModel(caller, draft.Model)
            ?? rules.RefuseModel(draft.Model);
    }

    /// <returns>Why the message becomes no job, or null; then <paramref name="draft"/> is set.</returns>
    public Refusal? Read(WebhookJobTemplate template, JsonElement message, Caller caller, out JobDraft draft)
    {
        List<ChatMessageInput> messages =
        [
            .. template.System is { } system ? [new ChatMessageInput { Role = "system", Content = system }] : (ChatMessageInput[])[],
            new ChatMessageInput { Role = "user", Content = PromptTemplate.Fill(template.Prompt!, message) },
        ];
        var input = new ChatInput { Messages = messages, MaxOutputTokens = template.MaxOutputTokens };
        var request = new SubmitJobRequest
        {
            Type = "chat",
            Model = template.Model,
            Feature = template.Feature,
            Priority = template.Priority,
            Input = JsonSerializer.SerializeToElement(input, WireJson.Default.ChatInput),
            Metadata = template.Metadata?.ToDictionary(
                pair => pair.Key,
                pair => Short(PromptTemplate.Fill(pair.Value, message)),
                StringComparer.Ordinal
            ),
        };
        return rules.TryRead(JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.SubmitJobRequest), caller, null, out draft);
    }

    private static string Short(string value) => value.Length > LongestMetadata ? value[..LongestMetadata] : value;
}
