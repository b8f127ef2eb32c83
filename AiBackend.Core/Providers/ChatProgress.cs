using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers;

/// <summary>What happens during one routed chat call, in order. <see cref="Finished"/> is the last when the call succeeds.</summary>
public abstract record ChatProgress
{
    private ChatProgress() { }

    /// <summary>A deployment is about to be asked.</summary>
    /// <param name="Provider">The provider's configured name.</param>
    /// <param name="Model">The model it is asked for.</param>
    /// <param name="Simulated">True when no real model is behind it.</param>
    public sealed record CallStarted(string Provider, string Model, bool Simulated) : ChatProgress
    {
        /// <summary>Why another model than most of the route's calls go to: one of <see cref="Catalog.RouteSwitch"/>; null when it is that one.</summary>
        public string? ChosenFor { get; init; }

        /// <summary>Parameters that the caller asked for and the provider's protocol has no member for, with commas; null when there are none.</summary>
        public string? LeftOut { get; init; }
    }

    /// <summary>A deployment failed, and another one, or the same again, is asked.</summary>
    /// <param name="From">Name of the provider that failed.</param>
    /// <param name="To">Name of the provider that is asked now.</param>
    /// <param name="Failure">Why the first one failed.</param>
    public sealed record FailedOver(string From, string To, ProviderFailure Failure) : ChatProgress;

    /// <summary>An answer had broken off, and another one begins: the text so far no longer counts.</summary>
    /// <param name="From">Name of the provider that wrote it.</param>
    /// <param name="To">Name of the provider that writes now.</param>
    /// <param name="Failure">Why the last call failed.</param>
    public sealed record Restarted(string From, string To, ProviderFailure Failure) : ChatProgress;

    /// <summary>An answer had broken off, and another call goes on from there: what follows is appended.</summary>
    /// <param name="From">Name of the provider that wrote the text so far.</param>
    /// <param name="To">Name of the provider that writes now.</param>
    /// <param name="Failure">Why the last call failed.</param>
    public sealed record Continued(string From, string To, ProviderFailure Failure) : ChatProgress;

    /// <summary>New text of the answer.</summary>
    /// <param name="Delta">Never empty, well-formed UTF-16, without U+0000.</param>
    public sealed record Text(string Delta) : ChatProgress;

    /// <summary>The model asks for a tool.</summary>
    /// <param name="Id">Names the call.</param>
    /// <param name="Name">The tool.</param>
    /// <param name="Arguments">As the model wrote them.</param>
    public sealed record ToolAsked(string Id, string Name, string Arguments) : ChatProgress;

    /// <summary>The answer is complete.</summary>
    /// <param name="ServedBy">Who answered.</param>
    /// <param name="Usage">Tokens as reported; null when the provider reported none that can be true. Cost is not known here.</param>
    /// <param name="FinishReason"><c>stop</c>, <c>length</c>, <c>tool_calls</c>, <c>content_filter</c> or the provider's own word; null when it gave none.</param>
    public sealed record Finished(ServedBy ServedBy, JobUsage? Usage, string? FinishReason) : ChatProgress
    {
        /// <summary>Tokens that money or a run left for it, when its caller has set no bound; null is no such bound.</summary>
        public int? Bound { get; init; }
    }
}
