using System.Diagnostics;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Telemetry;

/// <summary>What is noted about one call while it streams.</summary>
internal sealed class MeasuredCall(ProviderMetrics metrics, string provider, string model)
{
    private readonly long _startedAt = Stopwatch.GetTimestamp();
    private bool _hasText;

    public string Model => model;

    public string? ModelVersion { get; private set; }

    public string? FinishReason { get; private set; }

    public UsageDetails? Usage { get; private set; }

    public void Observe(ChatResponseUpdate update)
    {
        if (!_hasText && update.Contents.Count > 0)
        {
            _hasText = true;
            metrics.FirstText(provider, model, Stopwatch.GetElapsedTime(_startedAt));
        }

        if (update.FinishReason is { } reason)
        {
            FinishReason = reason.Value;
        }

        ModelVersion ??= update.ModelId;
        if (update.Contents is [UsageContent usage])
        {
            Usage = usage.Details;
        }
    }

    public void End(string? error) => metrics.Ended(provider, model, ModelVersion, Stopwatch.GetElapsedTime(_startedAt), Usage, error);
}
