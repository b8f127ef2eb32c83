using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>Collects what is to be said about an answer once it is complete.</summary>
/// <param name="deployment">Who answers.</param>
/// <param name="most">Tokens that it was told to write at most; null is any number.</param>
/// <param name="fallbacks">How many failed before.</param>
/// <param name="entered">The call.</param>
internal sealed class AnswerSummary(ChatDeployment deployment, int? most, int fallbacks, EnteredCall entered)
{
    private const int CharactersPerToken = 4;

    private readonly ChatCall _call = entered.Call;
    private long _pieces;
    private long _characters;
    private string? _finishReason;
    private bool _simulated = deployment.Simulated;

    /// <summary>Notes an update.</summary>
    /// <returns>Its text; empty when it has none.</returns>
    public string TakeText(ChatResponseUpdate update)
    {
        // The usual update is one text and nothing else; ChatResponseUpdate.Text would look for more.
        _call.ModelVersion = update.ModelId ?? _call.ModelVersion;
        if (update.Contents is [TextContent only])
        {
            _pieces++;
            _characters += only.Text.Length;
            _call.Written = Math.Max(_pieces, _characters / CharactersPerToken);
            return only.Text;
        }

        _finishReason = update.FinishReason?.Value ?? _finishReason;
        _call.Usage = Priced(UsageOf(update.Contents.OfType<UsageContent>().LastOrDefault()?.Details)) ?? _call.Usage;
        _simulated |= update.AdditionalProperties?.ContainsKey(WireChatClient.Simulated) == true;
        _call.IsUsageDisputed |= update.AdditionalProperties?.ContainsKey(WireChatClient.Disputed) == true;
        if (update.AdditionalProperties?.ContainsKey(WireChatClient.Overran) == true)
        {
            _call.Overran = true;
        }

        NoteBilled(_call.Usage);
        return update.Text;
    }

    public ChatProgress.Finished Finish()
    {
        _call.End();
        return new(
            new ServedBy(deployment.Provider, deployment.Model, _call.ModelVersion, fallbacks, _simulated),
            _call.Usage,
            _finishReason
        )
        {
            // Shorter, it has come to an end of the model's own.
            Bound = _call.Usage?.OutputTokens < entered.MaxOutputTokens ? null : entered.MaxOutputTokens,
        };
    }

    /// <summary>Paid beyond what was agreed, a short text is no better than an endless one. Not everybody counts thinking against the limit.</summary>
    private void NoteBilled(JobUsage? usage)
    {
        var allowed = (long?)most + AnswerLength.Slack;
        _call.IsOverbilled |= usage?.OutputTokens > allowed;
        _call.Overran |= usage?.OutputTokens - usage?.ReasoningTokens > allowed;
    }

    private JobUsage? Priced(JobUsage? usage) => usage is null ? null : usage with { CostUsd = entered.CostOf(usage) };

    private static JobUsage? UsageOf(UsageDetails? usage) =>
        usage is { InputTokenCount: { } input, OutputTokenCount: { } output }
            ? new JobUsage(input, usage.CachedInputTokenCount ?? 0, output, CostUsd: null)
            {
                ReasoningTokens = usage.ReasoningTokenCount ?? 0,
            }
            : null;
}
