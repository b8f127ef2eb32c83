using System.Diagnostics;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Faults;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Keys;
using AiBackend.Core.Providers.Telemetry;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>Whether a deployment may be asked now: its key is taken, it is up, its limits have room, and for a retry its budget too.</summary>
internal sealed class DeploymentDoor(
    RefusedKeys keys,
    CircuitBreakers circuits,
    ICallPace pace,
    ICallGate gate,
    RetryBudgets budgets,
    ProviderMetrics metrics
)
{
    /// <summary>Begins a call, or notes it as one that was not made.</summary>
    /// <param name="deployment">Who is asked.</param>
    /// <param name="size">What for.</param>
    /// <param name="calls">Where the call is noted.</param>
    /// <param name="isRetry">Whether the work failed before.</param>
    /// <param name="cancellationToken">Ends the wait for a limit.</param>
    /// <returns>The call, or why there is none.</returns>
    public async ValueTask<(EnteredCall? Call, ProviderFailure? Refusal)> EnterAsync(
        ChatDeployment deployment,
        CallSize size,
        ChatCalls calls,
        bool isRetry,
        CancellationToken cancellationToken
    )
    {
        var pass = TryPass(deployment, out var refusal);
        if (pass is null)
        {
            calls.Skip(deployment, refusal!);
            return (null, refusal);
        }

        var isEntered = false;
        try
        {
            (var permit, refusal) = await AskGateAsync(deployment, pass, size, calls, isRetry, cancellationToken);
            if (permit is null)
            {
                calls.Skip(deployment, refusal!);
                return (null, refusal);
            }

            isEntered = true;
            return (
                new EnteredCall(deployment, pass, permit, calls.Begin(deployment), keys, pace, metrics, isRetry ? budgets : null),
                null
            );
        }
        finally
        {
            if (!isEntered)
            {
                pass.Dispose();
            }
        }
    }

    private CircuitPass? TryPass(ChatDeployment deployment, out ProviderFailure? refusal)
    {
        if (keys.Contains(deployment))
        {
            refusal = ProviderFailure.ProviderAuth.KeyNotUsed(deployment.Provider);
            return null;
        }

        var pass = circuits.TryPass(deployment, out var wait);
        refusal = pass is null ? ProviderFailure.NotAsked.CircuitOpen(deployment.Provider, deployment.Model, wait) : null;
        return pass;
    }

    private async ValueTask<(ICallPermit?, ProviderFailure?)> AskGateAsync(
        ChatDeployment deployment,
        CircuitPass pass,
        CallSize size,
        ChatCalls calls,
        bool isRetry,
        CancellationToken cancellationToken
    )
    {
        if (await pace.EnterAsync(deployment, cancellationToken) is { } slowed)
        {
            metrics.Limited(deployment.Provider, slowed.Limit);
            return (null, ProviderFailure.NotAsked.LimitReached(deployment, slowed));
        }

        var entry = await gate.EnterAsync(deployment, size, calls.Caller, cancellationToken);
        if (entry is not CallEntry.Admitted { Permit: var permit })
        {
            return (null, RefusalOf(entry, deployment, metrics));
        }

        return await BeginAsync(deployment, pass, permit, isRetry, cancellationToken) is { } refused ? (null, refused) : (permit, null);
    }

    /// <summary>Why a call that was not admitted is not made.</summary>
    internal static ProviderFailure.NotAsked RefusalOf(CallEntry entry, ChatDeployment deployment, ProviderMetrics metrics)
    {
        switch (entry)
        {
            case CallEntry.Full full:
                metrics.Limited(deployment.Provider, full.Limit);
                return ProviderFailure.NotAsked.LimitReached(deployment, full);
            case CallEntry.Held:
                return ProviderFailure.NotAsked.HeldBack(deployment.Provider);
            case CallEntry.Unpaid unpaid:
                return ProviderFailure.NotAsked.Unpaid(deployment, unpaid);
            default:
                throw new UnreachableException($"{entry} is neither.");
        }
    }

    /// <summary>The last questions before the request is sent; a call that is not made gives back what was set aside for it.</summary>
    private async ValueTask<ProviderFailure?> BeginAsync(
        ChatDeployment deployment,
        CircuitPass pass,
        ICallPermit permit,
        bool isRetry,
        CancellationToken cancellationToken
    )
    {
        var isSent = false;
        try
        {
            // Before the breaker: the turn to find out whether a provider is well is not for a call that is not made.
            if (budgets.IsSpent(deployment.Provider, isRetry))
            {
                return ProviderFailure.NotAsked.RetryBudgetSpent(deployment.Provider);
            }

            if (await circuits.BeginAsync(deployment, pass, cancellationToken) is { } wait)
            {
                return ProviderFailure.NotAsked.CircuitOpen(deployment.Provider, deployment.Model, wait);
            }

            if (!budgets.MayCall(deployment.Provider, isRetry))
            {
                return ProviderFailure.NotAsked.RetryBudgetSpent(deployment.Provider);
            }

            FaultPoints.Hit(FaultPoint.K8, deployment.Model);
            isSent = await permit.ConfirmAsync(cancellationToken);
            return isSent ? null : throw new OperationCanceledException("The work has passed on to another owner; this call is not made.");
        }
        finally
        {
            if (!isSent)
            {
                permit.Cancel();
            }
        }
    }
}

/// <summary>A call that may be made. Disposing it settles what it used and tells the breaker how it ended, however that was.</summary>
internal sealed class EnteredCall(
    ChatDeployment deployment,
    CircuitPass pass,
    ICallPermit permit,
    ChatCall call,
    RefusedKeys keys,
    ICallPace pace,
    ProviderMetrics metrics,
    RetryBudgets? budgets
) : IDisposable, ICallListener
{
    private readonly ChatCall _call = pass.Of(call);
    private RetryBudgets? _budgets = budgets;

    /// <summary>Null once the call turned out not to be made: then nothing is left to settle.</summary>
    private ICallPermit? _permit = permit;

    public ChatCall Call => _call;

    /// <summary>Whether it has written any text.</summary>
    public bool HasText { get; private set; }

    public int? MaxOutputTokens { get; } = permit.MaxOutputTokens;

    public decimal? CostOf(JobUsage usage) => _permit?.CostOf(usage);

    /// <summary>Tells the provider what the call is called here, and the call who hears what the provider says of its limits.</summary>
    public ChatOptions Named(ChatOptions options)
    {
        options.MaxOutputTokens ??= MaxOutputTokens;
        Name(options.AdditionalProperties ??= []);
        return options;
    }

    /// <inheritdoc cref="Named(ChatOptions)"/>
    public EmbeddingGenerationOptions Named(EmbeddingGenerationOptions options, string model)
    {
        options.ModelId = model;
        Name(options.AdditionalProperties ??= []);
        return options;
    }

    private void Name(AdditionalPropertiesDictionary properties)
    {
        properties[ICallListener.Key] = this;
        if (_permit?.CallId is { } name)
        {
            properties[CallName.Property] = name;
        }
    }

    public void NoteText()
    {
        pass.NoteText();
        if (!HasText)
        {
            // It answers: that is known long before it has finished.
            HasText = true;
            NoteAnswered();
        }
    }

    public void NoteAnswered()
    {
        pace.NoteAnswered(deployment);
        _budgets?.NoteSuccess(deployment.Provider);
        _budgets = null;
    }

    /// <inheritdoc/>
    public ValueTask BeforeSendAsync(CancellationToken cancellationToken) =>
        _permit is { IsLate: true } ? new(CountAnewAsync(cancellationToken)) : ValueTask.CompletedTask;

    /// <summary>A process that was cold or starved sends later than it was counted in: its provider would see more in one window than it allows.</summary>
    private async Task CountAnewAsync(CancellationToken cancellationToken)
    {
        while (_permit is { IsLate: true } late)
        {
            metrics.Late(deployment.Provider, deployment.Model);
            _permit = null;
            var entry = await late.RenewAsync(cancellationToken);
            _permit =
                (entry as CallEntry.Admitted)?.Permit
                ?? throw new ProviderNotAskedException(DeploymentDoor.RefusalOf(entry, deployment, metrics));
        }
    }

    public void Note(ScarceLimit scarce) => pace.NoteScarce(deployment, scarce.After, scarce.PerMinute);

    /// <summary>For an exception filter: whether the provider failed, and not we aborted it.</summary>
    public bool NoteFailure(Exception failure, CancellationToken cancellationToken)
    {
        if (!_call.NoteFailure(failure, cancellationToken))
        {
            return false;
        }

        switch (_call.Failure)
        {
            case ProviderFailure.ProviderAuth { RefusesKey: true }:
                keys.Note(deployment);
                break;
            case ProviderFailure.NotAsked:
                _call.WasMade = false;
                break;
            case ProviderFailure.RateLimited limited:
                pace.NoteTooFast(deployment, limited.After, (failure as ProviderErrorException)?.CallsPerMinute);
                break;
        }

        return true;
    }

    public void Dispose()
    {
        if (_call.IsUsageDisputed)
        {
            metrics.Disputed(deployment.Provider, deployment.Model);
        }

        if (_call.IsOverbilled)
        {
            metrics.Overbilled(deployment.Provider, deployment.Model);
        }

        _permit?.Settle(_call.Usage ?? _permit.UsageOfCut(_call.Written), _call.IsFree, _call.IsUsageDisputed);
        pass.Dispose();
    }
}
