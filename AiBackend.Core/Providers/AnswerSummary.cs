using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.OpenAi;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>Collects what is to be said about an answer once it is complete.</summary>
internal sealed class AnswerSummary(ChatDeployment deployment, int fallbacks)
{
    private UsageDetails? _usage;
    private string? _finishReason;
    private string? _modelVersion;
    private bool _simulated = deployment.Simulated;

    /// <summary>Notes an update.</summary>
    /// <returns>Its text; empty when it has none.</returns>
    public string TakeText(ChatResponseUpdate update)
    {
        // The usual update is one text and nothing else; ChatResponseUpdate.Text would look for more.
        if (update.Contents is [TextContent only])
        {
            return only.Text;
        }

        _finishReason = update.FinishReason?.Value ?? _finishReason;
        _modelVersion = update.ModelId ?? _modelVersion;
        _usage = update.Contents.OfType<UsageContent>().LastOrDefault()?.Details ?? _usage;
        _simulated |= update.AdditionalProperties?.ContainsKey(OpenAiChatClient.Simulated) == true;
        return update.Text;
    }

    public ChatProgress.Finished Finish() =>
        new(
            new ServedBy(deployment.Provider, deployment.Model, _modelVersion, fallbacks, _simulated),
            _usage is { InputTokenCount: { } input, OutputTokenCount: { } output }
                ? new JobUsage(input, _usage.CachedInputTokenCount ?? 0, output, CostUsd: null)
                : null,
            _finishReason
        );
}
