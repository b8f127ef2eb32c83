using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>Collects what is to be said about an answer once it is complete.</summary>
internal sealed class AnswerSummary(ChatDeployment deployment, int fallbacks, ChatCall call)
{
    private string? _finishReason;
    private bool _simulated = deployment.Simulated;

    /// <summary>Notes an update.</summary>
    /// <returns>Its text; empty when it has none.</returns>
    public string TakeText(ChatResponseUpdate update)
    {
        // The usual update is one text and nothing else; ChatResponseUpdate.Text would look for more.
        call.ModelVersion = update.ModelId ?? call.ModelVersion;
        if (update.Contents is [TextContent only])
        {
            return only.Text;
        }

        _finishReason = update.FinishReason?.Value ?? _finishReason;
        call.Usage = UsageOf(update.Contents.OfType<UsageContent>().LastOrDefault()?.Details) ?? call.Usage;
        _simulated |= update.AdditionalProperties?.ContainsKey(WireChatClient.Simulated) == true;
        call.Overran |= update.AdditionalProperties?.ContainsKey(WireChatClient.Overran) == true;
        return update.Text;
    }

    public ChatProgress.Finished Finish()
    {
        call.End();
        return new(
            new ServedBy(deployment.Provider, deployment.Model, call.ModelVersion, fallbacks, _simulated),
            call.Usage,
            _finishReason
        );
    }

    private static JobUsage? UsageOf(UsageDetails? usage) =>
        usage is { InputTokenCount: { } input, OutputTokenCount: { } output }
            ? new JobUsage(input, usage.CachedInputTokenCount ?? 0, output, CostUsd: null)
            : null;
}
