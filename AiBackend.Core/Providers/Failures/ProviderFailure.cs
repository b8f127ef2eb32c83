using AiBackend.Core.Providers.Admission;

namespace AiBackend.Core.Providers.Failures;

/// <summary>Why a provider call failed, as a value that policy can be written against.</summary>
/// <param name="Code">Stable code for programs, one of <see cref="ProviderFailureCodes"/>.</param>
/// <param name="Message">One sentence for people. Never contains a key, a prompt or the provider's own text.</param>
public abstract record ProviderFailure(string Code, string Message)
{
    /// <summary>The class on the wire: <c>transient</c>, <c>rate_limited</c>, <c>caller_error</c>, <c>contract_violation</c>, <c>provider_auth</c> or <c>unknown</c>.</summary>
    public abstract string Class { get; }

    /// <summary>Whether the same call may succeed later.</summary>
    public virtual bool Retryable => true;

    /// <summary>When the provider wants to be asked again; null when it did not say.</summary>
    public virtual TimeSpan? RetryAfter => null;

    /// <summary>Whether another provider may still answer this call. Only the caller can mend its own error.</summary>
    internal bool MayFailOver => this is not (CallerError or ContractViolation);

    /// <summary>The provider was away, slow or broken.</summary>
    /// <param name="Code">Stable code.</param>
    /// <param name="Message">One sentence for people.</param>
    /// <param name="After">When to ask again, if the provider said so.</param>
    public sealed record Transient(string Code, string Message, TimeSpan? After) : ProviderFailure(Code, Message)
    {
        /// <inheritdoc/>
        public override string Class => "transient";

        /// <summary>There was an answer, of which nobody may take what the model wrote: no outage.</summary>
        internal bool IsAnswered { get; init; }

        /// <inheritdoc/>
        public override TimeSpan? RetryAfter => After;
    }

    /// <summary>The provider's limits refused the call.</summary>
    /// <param name="Message">One sentence for people.</param>
    /// <param name="After">When to ask again, if the provider said so.</param>
    public sealed record RateLimited(string Message, TimeSpan? After) : ProviderFailure(ProviderFailureCodes.RateLimited, Message)
    {
        /// <inheritdoc/>
        public override string Class => "rate_limited";

        /// <inheritdoc/>
        public override TimeSpan? RetryAfter => After;
    }

    /// <summary>The request itself cannot be served; only its author can change that.</summary>
    /// <param name="Code">Stable code.</param>
    /// <param name="Message">One sentence for people.</param>
    public sealed record CallerError(string Code, string Message) : ProviderFailure(Code, Message)
    {
        /// <inheritdoc/>
        public override string Class => "caller_error";

        /// <inheritdoc/>
        public override bool Retryable => false;
    }

    /// <summary>The answer came and broke its contract. Produced by output contracts, not by a provider.</summary>
    /// <param name="Code">Stable code.</param>
    /// <param name="Message">One sentence for people.</param>
    public sealed record ContractViolation(string Code, string Message) : ProviderFailure(Code, Message)
    {
        /// <inheritdoc/>
        public override string Class => "contract_violation";
    }

    /// <summary>The provider refuses this installation: its key, its balance or its access to the model. An operator must act.</summary>
    /// <param name="Code">Stable code.</param>
    /// <param name="Message">One sentence for people.</param>
    public sealed record ProviderAuth(string Code, string Message) : ProviderFailure(Code, Message)
    {
        /// <summary>Whether the key is good for nothing, also not for another model.</summary>
        public bool RefusesKey { get; private init; }

        /// <inheritdoc/>
        public override string Class => "provider_auth";

        internal static ProviderAuth KeyRefused(string name) =>
            new(ProviderFailureCodes.Auth, $"{name} refused our key (status 401). An operator must check it.") { RefusesKey = true };

        internal static ProviderAuth KeyNotUsed(string provider) =>
            new(
                ProviderFailureCodes.Auth,
                $"Provider '{provider}' has refused our key before, so it is not asked. An operator must set another key, or enable the provider again."
            );

        /// <inheritdoc/>
        public override bool Retryable => false;
    }

    /// <summary>A call was not made, because the provider may not be asked now. Waiting until it may is nobody's failed try.</summary>
    /// <param name="Code">Why not.</param>
    /// <param name="Provider">The provider's configured name.</param>
    /// <param name="Message">One sentence for people.</param>
    /// <param name="After">When it may be asked at the earliest; zero when that is not known.</param>
    public sealed record NotAsked(string Code, string Provider, string Message, TimeSpan After) : ProviderFailure(Code, Message)
    {
        /// <summary>Until whoever waits for a held provider looks again by itself: a resume tells it earlier.</summary>
        private static readonly TimeSpan WhileHeld = TimeSpan.FromHours(1);

        /// <summary>The deployment and its limit that is used up; null when it is something else.</summary>
        public string? Limit { get; private init; }

        /// <summary>The budget that is spent, as a reason to wait; null when it is something else.</summary>
        public string? Budget { get; private init; }

        /// <summary>Waiting does not help: the work itself may not cost that much.</summary>
        internal bool IsFinal => Code is ProviderFailureCodes.MaxCostExceeded or ProviderFailureCodes.RunLimitReached;

        /// <inheritdoc/>
        public override string Class => IsFinal ? "caller_error" : "transient";

        /// <inheritdoc/>
        public override bool Retryable => !IsFinal;

        /// <inheritdoc/>
        public override TimeSpan? RetryAfter => After;

        internal static NotAsked RetryBudgetSpent(string provider) =>
            new(
                ProviderFailureCodes.RetryBudgetSpent,
                provider,
                $"Provider '{provider}' fails often, so retries are limited to a share of its calls. This one waits; it does not count as a try.",
                TimeSpan.Zero
            );

        internal static NotAsked LimitReached(ChatDeployment deployment, CallEntry.Full full) =>
            new(
                ProviderFailureCodes.LimitReached,
                deployment.Provider,
                $"What provider '{deployment.Provider}' allows ({full.Limit}) is used up for now. This call waits for its turn; it does not count as a try.",
                full.Delay
            )
            {
                Limit = $"{deployment.FullName}:{full.Limit}",
            };

        internal static NotAsked HeldBack(string provider) =>
            new(
                ProviderFailureCodes.Held,
                provider,
                $"Provider '{provider}' is held back by an operator. This call waits until it is resumed; it does not count as a try.",
                WhileHeld
            );

        internal static NotAsked Unpaid(ChatDeployment deployment, CallEntry.Unpaid unpaid) =>
            unpaid.Reason switch
            {
                CallEntry.Unpaid.MaxCost => new(
                    ProviderFailureCodes.MaxCostExceeded,
                    deployment.Provider,
                    $"The job's max_cost_usd does not cover what a call of '{deployment.FullName}' is likely to cost. Submit it again with a higher one, or with a smaller max_output_tokens.",
                    TimeSpan.Zero
                ),
                CallEntry.Unpaid.RunCost => OfRun(deployment, "limits.max_cost_usd"),
                CallEntry.Unpaid.RunTokens => OfRun(deployment, "limits.max_tokens"),
                _ => new(
                    ProviderFailureCodes.BudgetSpent,
                    deployment.Provider,
                    $"There is no money left for a call of '{deployment.FullName}' ({unpaid.Reason}). This call waits; it does not count as a try.",
                    unpaid.Delay
                )
                {
                    Budget = unpaid.Reason,
                },
            };

        private static NotAsked OfRun(ChatDeployment deployment, string limit) =>
            new(
                ProviderFailureCodes.RunLimitReached,
                deployment.Provider,
                $"The {limit} of the workflow's run does not cover another call of '{deployment.FullName}'. Run it again from this step with a higher limit.",
                TimeSpan.Zero
            );

        internal static NotAsked CircuitOpen(string provider, string model, TimeSpan after) =>
            new(
                ProviderFailureCodes.CircuitOpen,
                provider,
                $"Provider '{provider}' is down for the model '{model}', so it is asked again only now and then. This call waits; it does not count as a try.",
                after
            );
    }

    /// <summary>Nothing above fits.</summary>
    /// <param name="Message">One sentence for people.</param>
    public sealed record Unknown(string Message) : ProviderFailure(ProviderFailureCodes.Unknown, Message)
    {
        /// <inheritdoc/>
        public override string Class => "unknown";
    }
}

/// <summary>Every <see cref="ProviderFailure.Code"/>. They appear in job errors, traces and metrics.</summary>
public static class ProviderFailureCodes
{
    /// <summary>A time limit of the call passed.</summary>
    public const string Timeout = "provider_timeout";

    /// <summary>No connection, a broken one, or an error of the provider's own.</summary>
    public const string Unavailable = "provider_unavailable";

    /// <summary>The provider's answer could not be read.</summary>
    public const string ProtocolError = "provider_protocol_error";

    /// <summary>The provider's rate limit.</summary>
    public const string RateLimited = "rate_limited";

    /// <summary>What the provider allows is used up for now; no call was made.</summary>
    public const string LimitReached = "provider_limit_reached";

    /// <summary>A budget is spent for now; no call was made.</summary>
    public const string BudgetSpent = "budget_spent";

    /// <summary>What the job itself may cost does not cover the call; none was made.</summary>
    public const string MaxCostExceeded = "max_cost_exceeded";

    /// <summary>What all steps of a run may use together does not cover the call; none was made.</summary>
    public const string RunLimitReached = "run_limit_reached";

    /// <summary>The input is longer than the model can read.</summary>
    public const string ContextLengthExceeded = "context_length_exceeded";

    /// <summary>The provider's content policy refused the input.</summary>
    public const string ContentRefused = "content_refused";

    /// <summary>The provider refused the request as invalid.</summary>
    public const string InvalidRequest = "invalid_request";

    /// <summary>No configured provider serves the model.</summary>
    public const string UnknownModel = "unknown_model";

    /// <summary>The provider refused the key.</summary>
    public const string Auth = "provider_auth";

    /// <summary>The provider's account has no money or quota left.</summary>
    public const string QuotaExhausted = "provider_quota_exhausted";

    /// <summary>The provider does not have the configured model, or the key may not use it.</summary>
    public const string ModelNotFound = "provider_model_not_found";

    /// <summary>The provider fails so often that retries wait; no call was made.</summary>
    public const string RetryBudgetSpent = "retry_budget_spent";

    /// <summary>The deployment is down and was not asked again yet; no call was made.</summary>
    public const string CircuitOpen = "provider_circuit_open";

    /// <summary>An operator holds the provider back; no call was made.</summary>
    public const string Held = "provider_held";

    /// <summary>Anything else.</summary>
    public const string Unknown = "provider_unknown_error";
}
