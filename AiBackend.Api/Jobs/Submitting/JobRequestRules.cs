using AiBackend.Api.Conversations;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Cache;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Core.Tenancy;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Turns a submit body into a draft, or says why not.</summary>
internal sealed class JobRequestRules(
    IOptions<BenchOptions> bench,
    ProviderCatalog providers,
    ICatalogSource catalogSource,
    QueuePools pools,
    QueueTiers tiers,
    JobEstimates estimates,
    LineOutlook outlook,
    JobWebhookRules webhooks,
    JobTermsRules terms,
    JobFieldRules fields,
    JobIds ids,
    TimeProvider clock
)
{
    private readonly string[] _types = bench.Value.Noop ? ["chat", "noop"] : ["chat"];

    /// <summary>Checks what is right or wrong whenever the request comes.</summary>
    /// <returns>Why it is refused, or null; then <paramref name="draft"/> is set.</returns>
    public Refusal? TryRead(ReadOnlySpan<byte> body, Caller caller, string? idempotencyKey, out JobDraft draft)
    {
        draft = null!;
        if (JobRequestJson.TryRead(body, out var request) is { } unreadable)
        {
            return unreadable;
        }

        if (FindType(request.Type, out var type) is { } unknown)
        {
            return unknown;
        }

        var errors = new FieldErrors();
        if (JobInputs.TryRead(type, body, request.Input, errors, out var input) is { } badInput)
        {
            return badInput;
        }

        fields.Check(request, errors, out var priority);
        if ((terms.Check(request, type, input, errors) ?? errors.ToRefusal()) is { } outOfBounds)
        {
            return outOfBounds;
        }

        draft = Draft(request, type, priority, input, caller, idempotencyKey);
        return null;
    }

    /// <summary>As <see cref="TryRead"/>, for a chat that came in another shape and was put into this one.</summary>
    /// <param name="request">All but the input.</param>
    /// <param name="chat">The input.</param>
    /// <param name="caller">Whose job it will be.</param>
    /// <param name="idempotencyKey">The caller's key; null has none.</param>
    /// <param name="draft">Set when nothing is refused.</param>
    public Refusal? TryDraft(SubmitJobRequest request, ChatInput chat, Caller caller, string? idempotencyKey, out JobDraft draft)
    {
        draft = null!;
        var errors = new FieldErrors();
        if (ChatRules.Check(chat, errors, root: "") is { } badInput)
        {
            return badInput;
        }

        fields.Check(request, errors, out var priority);
        if (errors.ToRefusal() is { } outOfBounds)
        {
            return outOfBounds;
        }

        var input = JobInputs.Of(chat);
        JobFileRules.CheckTogether([], input.Files, errors);
        ConversationRules.CheckOfJob(request, input, errors, root: "");
        if (errors.ToRefusal() is { } tooMany)
        {
            return tooMany;
        }

        draft = Draft(request, JobType.Chat, priority, input, caller, idempotencyKey);
        return null;
    }

    /// <summary>As <see cref="TryRead"/>, for a run of a workflow.</summary>
    /// <param name="request">All but the input.</param>
    /// <param name="input">All that the run needs.</param>
    /// <param name="asked">What was asked for: a repeat asks for the same, whatever version of the workflow, with whatever models, came meanwhile.</param>
    /// <param name="caller">Whose run it will be.</param>
    /// <param name="idempotencyKey">The caller's key; null has none.</param>
    /// <param name="draft">Set when nothing is refused.</param>
    public Refusal? TryDraftRun(
        SubmitJobRequest request,
        StoredInput input,
        string asked,
        Caller caller,
        string? idempotencyKey,
        out JobDraft draft
    )
    {
        draft = null!;
        var errors = new FieldErrors();
        fields.Check(request, errors, out var priority);
        if (errors.ToRefusal() is { } outOfBounds)
        {
            return outOfBounds;
        }

        draft = Draft(request, JobType.Workflow, priority, input, caller, idempotencyKey);
        draft = idempotencyKey is null ? draft : draft with { Fingerprint = JobFingerprint.Of(draft with { Model = "", Input = asked }) };
        return null;
    }

    /// <summary>The most urgent priority that the caller's jobs may have.</summary>
    public JobPriority HighestOf(Caller caller) => tiers.HighestOf(caller.Tier, caller.HighestPriority);

    /// <returns>Why the caller may have no job of this priority, or null.</returns>
    public Refusal? RefusePriority(JobPriority priority, Caller caller)
    {
        var highest = HighestOf(caller);
        if (priority >= highest)
        {
            return null;
        }

        var bound =
            caller.HighestPriority is { } ofKey && ofKey == (short)highest ? $"the key {caller.KeyId}" : $"the tier '{caller.Tier}'";
        return ProblemTypes.PriorityTooHigh.At(
            "priority",
            $"priority is {priority.ToWire()}; {bound} allows {highest.ToWire()} at most. Send {highest.ToWire()}, or leave priority out."
        );
    }

    /// <returns>Why a new job is refused now, or null. A repeat of an accepted request is none of this method's business.</returns>
    public async ValueTask<Refusal?> RefuseNowAsync(JobDraft draft, Caller caller, CancellationToken cancellationToken)
    {
        if (RefusePriority(draft.Priority, caller) is { } beyondKey)
        {
            return beyondKey;
        }

        if (draft.Deadline <= clock.GetUtcNow())
        {
            return ProblemTypes.InvalidValue.At("deadline", $"deadline is {draft.Deadline:O}, which has passed. Send a later one.");
        }

        if (await webhooks.RefuseNowAsync(draft, cancellationToken) is { } noSecret)
        {
            return noSecret;
        }

        var asked = JobTerms.Read(draft.Terms);
        if (CallerRights.RefuseRetrieval(caller, asked) is { } mayNotRead)
        {
            return mayNotRead;
        }

        // Its own, and those that are to judge its answer. A run asks none itself.
        foreach (var model in draft.Type.IsOfModel() ? asked.Judges.Prepend(draft.Model) : [])
        {
            if ((CallerRights.RefuseModel(caller, model) ?? await RefuseUnknownAsync(model, cancellationToken)) is { } refusal)
            {
                return refusal;
            }
        }

        return null;
    }

    /// <returns>Why nobody can be asked for this model, also when the catalog is up to date; or null.</returns>
    public async ValueTask<Refusal?> RefuseUnknownAsync(string model, CancellationToken cancellationToken)
    {
        if (RefuseModel(model) is null)
        {
            return null;
        }

        // Another node may have taken it up a moment ago.
        return await catalogSource.RefreshAsync(cancellationToken)
            ? RefuseModel(model)
            : ProblemTypes.StorageUnavailable.With(
                $"model is {Quoted.Of(model)}, and the database does not say whether there is such a route. Send it again later."
            );
    }

    /// <returns>Why nobody can be asked for this model, or null.</returns>
    public Refusal? RefuseModel(string model) =>
        providers.Knows(model)
            ? null
            : ProblemTypes.UnknownModel.At(
                "model",
                $"model is {Quoted.Of(model)}, which is not configured here. Known models: {string.Join(", ", providers.KnownModels)}.{RemedyFor(model)}"
            );

    private static string RemedyFor(string model) =>
        ProviderCatalog.IsAuto(model)
            ? $" An operator makes this one with PUT /api/v1/routes/{model}: the usual model, and before it the faster one with \"when\": {{\"under_pressure\": true}}."
            : "";

    private Refusal? FindType(string? name, out JobType type)
    {
        type = default;
        if (name is not null && _types.Contains(name) && JobTraitNames.TryParseType(name, out type))
        {
            return null;
        }

        var given = name is null ? "missing" : Quoted.Of(name);
        return ProblemTypes.UnknownType.At("type", $"type is {given}. Known types: {string.Join(", ", _types)}.");
    }

    private JobDraft Draft(
        SubmitJobRequest request,
        JobType type,
        JobPriority priority,
        StoredInput input,
        Caller caller,
        string? idempotencyKey
    )
    {
        var asked = JobTermsRules.Asked(request, type, input);
        var model = request.Model ?? ProviderCatalog.DefaultRoute;
        // With a prompt the route is known when its version is.
        var pinned = type == JobType.Chat && input.Prompt is null ? terms.OfChat(asked, model) : asked;
        var draft = new JobDraft
        {
            Id = ids.Next(),
            TenantId = caller.TenantId,
            KeyId = caller.KeyId,
            Type = type,
            Priority = priority,
            Model = model,
            // A run asks no model: the pools of its steps' models are theirs.
            Pool = type == JobType.Workflow ? QueuePools.Default : pools.PoolOf(model),
            MaxAttempts = request.MaxAttempts ?? JobDraft.DefaultMaxAttempts,
            NotBefore = Stored(request.NotBefore),
            Deadline = Stored(request.Deadline),
            Input = input.Json,
            Prompt = input.Prompt,
            InputVersion = pinned == JobTerms.None ? input.Version : pinned.Version,
            Terms = pinned.ToColumn(),
            ConversationId = pinned.Conversation?.Id,
            WritesArtifact = pinned.Artifact is not null,
            IsRefusedWhenOthersAreOpen = pinned.Conversation?.Overlap == Overlaps.Reject,
            Title = input.Title,
            Feature = request.Feature,
            EndUser = request.User,
            MaxCostUsd = request.MaxCostUsd,
            WebhookUrl = request.Webhook?.Url,
            Metadata = MetadataRules.ToJson(request.Metadata),
            TraceParent = System.Diagnostics.Activity.Current?.Id,
            IdempotencyKey = idempotencyKey,
        };
        if (request.Cache is "read_write" && type == JobType.Chat)
        {
            draft = draft with { CacheKey = CacheKey.Of(draft) };
        }

        if (idempotencyKey is not null)
        {
            // What the route adds is not the caller's: it may be another one when the request comes again.
            draft = draft with
            {
                Fingerprint = JobFingerprint.Of(draft with { Terms = asked.ToColumn() }),
            };
        }

        if (request.Priority is null && draft.Priority < HighestOf(caller))
        {
            draft = draft with { Priority = HighestOf(caller) };
        }

        // A start in the past is a start now. The fingerprint speaks of the request, whenever it comes.
        draft = draft.NotBefore <= clock.GetUtcNow() ? draft with { NotBefore = null } : draft;
        return outlook.Foresee(estimates.Estimate(draft));
    }

    /// <summary>What Postgres will give back: UTC, in microseconds.</summary>
    private static DateTimeOffset? Stored(DateTimeOffset? moment) =>
        moment?.ToUniversalTime() is { } utc ? utc.AddTicks(-(utc.Ticks % TimeSpan.TicksPerMicrosecond)) : null;
}
