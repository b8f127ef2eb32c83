using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Configuration;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>A model at a provider: one stop of a route.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The provider's name of the model.</param>
/// <param name="Simulated">True when no real model is behind it.</param>
/// <param name="Client">The provider's client, with telemetry and time limits; ask it for <paramref name="Model"/> by <see cref="ChatOptions.ModelId"/>.</param>
public sealed record ChatDeployment(string Provider, string Model, bool Simulated, IChatClient Client)
{
    /// <summary>What the longest answers of most models have.</summary>
    private const int UsualMaxOutputTokens = 16_384;

    private string? _fullName;

    /// <summary>What the provider allows it.</summary>
    public ProviderLimits Limits { get; init; } = ProviderLimits.None;

    /// <summary>What is done about an answer of its that breaks off.</summary>
    public ProviderContinuity Continuity { get; init; }

    /// <summary>Which of the provider's keys it is asked with, see <see cref="Keys.RefusedKey"/>.</summary>
    public string KeyId { get; init; } = "";

    /// <summary>How long its calls may take.</summary>
    public ProviderTimeouts Timeouts { get; init; } = new();

    /// <summary>Tokens that prompt and answer may have together; null when it is not known.</summary>
    public long? ContextTokens { get; init; }

    /// <summary>Tokens that an answer may have whose caller sets no bound, where money or tokens are limited; null is the usual.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Which of the parameters that are asked for its protocol has no member for.</summary>
    internal Func<ChatOptions, IEnumerable<string>> ProtocolLeavesOut { get; init; } = static _ => [];

    /// <summary>What it can do beyond text.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary>What turns texts into vectors; null where its protocol has none.</summary>
    internal IEmbeddingGenerator<string, Embedding<float>>? Embedder => Client.GetService<IEmbeddingGenerator<string, Embedding<float>>>();

    /// <summary>Whether it turns texts into vectors: its capabilities say so or, where none are set, the name of its model does.</summary>
    public bool CanEmbed =>
        Embedder is not null
        && (
            Capabilities.Count > 0
                ? Capabilities.Contains(ModelCapabilities.Embeddings, StringComparer.Ordinal)
                : Model.Contains("embed", StringComparison.OrdinalIgnoreCase)
        );

    /// <summary>Parameters that it is asked without, of those that are asked for.</summary>
    internal IEnumerable<string> LeavesOut(ChatOptions options) =>
        TakesForm(options) ? ProtocolLeavesOut(options) : ProtocolLeavesOut(options).Append("response_format");

    /// <summary>The options as it takes them: who says what it can, and not that it answers in JSON, refuses a call that asks for that.</summary>
    internal ChatOptions Taken(ChatOptions options)
    {
        if (TakesForm(options))
        {
            return options;
        }

        var taken = options.Clone();
        taken.ResponseFormat = null;
        return taken;
    }

    private bool TakesForm(ChatOptions options) =>
        options.ResponseFormat is not ChatResponseFormatJson
        || Capabilities.Count == 0
        || Capabilities.Contains(ModelCapabilities.Json, StringComparer.Ordinal);

    /// <summary>Why it is asked and not the model that most calls of the route go to; null when it is that one.</summary>
    internal string? ChosenFor { get; init; }

    /// <summary>Which version of an operator's route led here; null when none did.</summary>
    internal int? RouteVersion { get; init; }

    /// <summary>Provider and model: under this name its limits are counted, and what waits for them names it.</summary>
    public string FullName => _fullName ??= $"{Provider}/{Model}";

    /// <summary>Whether it can what the call uses; of one that declares nothing that is not known, and it counts as able.</summary>
    internal bool Can(in RouteNeeds needs) =>
        Capabilities.Count == 0 || needs.Uses.All(use => Capabilities.Contains(use, StringComparer.Ordinal));

    /// <summary>Tokens that an answer to such a prompt may have without a bound of its caller's.</summary>
    internal long LongestAnswer(long input, long likely)
    {
        var most = MaxOutputTokens ?? Math.Max(likely, UsualMaxOutputTokens);
        if (ContextTokens is not { } all)
        {
            return most;
        }

        // How long the prompt is, is an estimate: many providers refuse a bound that does not fit beside it. Where the prompt itself does not fit they say so.
        var left = all - input;
        return left <= 0 ? Math.Min(likely, most) : Math.Clamp(Math.Max(left - (input / 4) - 64, left / 2), 1, most);
    }

    internal bool Holds(in RouteNeeds needs) => ContextTokens is not { } most || needs.InputTokens + (needs.MaxOutputTokens ?? 0) <= most;
}
