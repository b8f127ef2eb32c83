using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.Api.Wire;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Embeddings;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Repeats;
using AiBackend.Core.Tenancy;
using Microsoft.Extensions.Options;
using Npgsql;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Embeddings;

/// <summary><c>POST /v1/embeddings</c>: made while its caller waits, not by the queue, but within the same limits, budgets and ledger.</summary>
internal sealed class CreateEmbedding(
    JobRequestRules rules,
    HeldBack heldBack,
    KeyRateLimits limits,
    ProviderCatalog catalog,
    RoutedEmbeddings embeddings,
    RepeatedRequests repeats,
    IOptions<OpenAiOptions> options,
    EmbeddingRoom room,
    TimeProvider clock
)
{
    public const string Address = "/v1/embeddings";

    private const int MaxTries = 3;

    // Longer than that the caller decides; OpenAI's clients come back by themselves.
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    public async Task HandleAsync(HttpContext context)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var key);
        if (refusal is null)
        {
            (refusal, var call) = await ReadAsync(context);
            if (refusal is null)
            {
                refusal = room.Enter(context.GetTenantId(), call, out var part);
                using (part)
                {
                    refusal ??= await AnswerAsync(context, key, call);
                }
            }
        }

        if (refusal is not null)
        {
            if (refusal.RetryAfter > TimeSpan.FromMinutes(1))
            {
                // They would wait for less, and in vain.
                context.Response.Headers[OpenAiAddress.RetryHeader] = "false";
            }

            await context.RefuseAsync(refusal);
        }
    }

    private Task<Refusal?> AnswerAsync(HttpContext context, string? key, EmbeddingCall call) =>
        repeats.AnswerAsync(
            context,
            key is null ? null : new KeptRequest(context.GetTenantId(), IdempotencyKey.At(Address, key)!, call.Fingerprint),
            () => EmbedAsync(context, call)
        );

    private static async ValueTask<(Refusal? Refusal, EmbeddingCall Call)> ReadAsync(HttpContext context)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        var refusal = EmbeddingReader.TryRead(body.Bytes, out var call);
        return (refusal, call);
    }

    private async Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)> EmbedAsync(HttpContext context, EmbeddingCall call)
    {
        var caller = context.User.GetCaller();
        var size = new CallSize(call.Texts.Sum(text => text.Length), MaxOutputTokens: 0);
        var refusal =
            CallerRights.RefuseModel(caller, call.Model)
            ?? await rules.RefuseUnknownAsync(call.Model, context.RequestAborted)
            ?? RefuseOther(call.Model)
            ?? await heldBack.RefuseCallAsync(caller.TenantId, call.Model)
            // Last, because it takes.
            ?? await limits.TakeAsync(context, size.PromptTokens, mayWait: false);
        if (refusal is not null)
        {
            return (refusal, default);
        }

        var longest = options.Value.LongestWait;
        using var patience = new CancellationTokenSource(longest, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, patience.Token);
        try
        {
            return await AskAsync(call, caller, either.Token);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            var late = Invariant($"No provider has answered within {longest.TotalSeconds} s. Send the request again later, or in parts.");
            return (ProblemTypes.ProviderFailed.With(late), default);
        }
    }

    private Refusal? RefuseOther(string model)
    {
        if (catalog.Embeds(model))
        {
            return null;
        }

        var able = catalog.EmbeddingModels;
        var remedy =
            able.Count > 0
                ? $"Ask for one that does: {string.Join(", ", able)}."
                : Invariant($"None that is configured does; an operator gives a deployment the capability {ModelCapabilities.Embeddings}.");
        return ProblemTypes.InvalidValue.At("model", $"model is {Quoted.Of(model)}, which makes no embeddings. {remedy}");
    }

    /// <summary>Several times, where a provider is away or busy for a moment only.</summary>
    private async Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)> AskAsync(
        EmbeddingCall call,
        Caller caller,
        CancellationToken cancellationToken
    )
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                var calls = new ChatCalls(clock, CallerOf(call, caller), isRetry: tries > 1);
                var answer = await embeddings.EmbedAsync(call.Model, call.Texts, call.Dimensions, calls, cancellationToken);
                return (null, EmbeddingBody.Of(answer, call.IsBase64));
            }
            catch (Exception failure) when (!cancellationToken.IsCancellationRequested && failure is not NpgsqlException)
            {
                var why = ProviderFailures.Classify(failure);
                var pause = why.RetryAfter ?? FirstPause * Math.Pow(2, tries - 1);
                if (tries == MaxTries || !why.Retryable || pause > LongestPause || why is ProviderFailure.NotAsked { Budget: not null })
                {
                    return (EmbeddingFailures.ToRefusal(why), default);
                }

                await Task.Delay(pause, clock, cancellationToken);
            }
        }
    }

    /// <summary>In the ledger it is a call of no job: under an id of its own, with the epoch that no lease has.</summary>
    private ChatCaller CallerOf(EmbeddingCall call, Caller caller) =>
        new(Guid.CreateVersion7(clock.GetUtcNow()), Epoch: 0, (int)rules.HighestOf(caller))
        {
            AcceptedAt = clock.GetUtcNow(),
            Payer = new CallPayer(caller.TenantId, caller.KeyId, Feature: null, call.User, MaxCostUsd: null),
        };
}
