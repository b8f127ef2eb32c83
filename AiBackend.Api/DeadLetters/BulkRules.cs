using System.Security.Cryptography;
using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.DeadLetters;

/// <summary>Turns the body of a bulk action into an order, or says why not.</summary>
internal sealed class BulkRules(JobRequestRules jobs)
{
    private const int DefaultRate = 10;
    private const int MaxRate = 100;
    private const int MaxIds = 1000;
    private const int MaxTextLength = 128;

    /// <returns>Why it is refused, or null; then <paramref name="order"/> is set.</returns>
    public Refusal? TryReadReplay(ReadOnlySpan<byte> body, Caller caller, out BulkOrder order, out bool dryRun)
    {
        (order, dryRun) = (null!, false);
        if (StrictBody.TryRead(body, WireJson.Default.BulkReplayRequest, null, out var request) is { } unreadable)
        {
            return unreadable;
        }

        var errors = new FieldErrors();
        JobFieldRules.CheckModel(request.Model, errors);
        errors.CheckRange("rate", request.Rate, 1, MaxRate);
        var refusal = Check(request.Filter, request.Ids, errors);
        refusal ??= request.Model is { } model ? jobs.RefuseModel(model) : null;
        // Which models the letters have is not known before: a key that is bound names one.
        refusal ??= caller.AllowedModels is null ? null : CallerRights.RefuseModel(caller, request.Model ?? "");
        if (refusal is not null)
        {
            return refusal;
        }

        dryRun = request.DryRun == true;
        order = new BulkOrder(BulkKind.Replay, Select(request.Filter, request.Ids, caller), caller.KeyId)
        {
            Canary = request.Canary ?? true,
            Rate = request.Rate ?? DefaultRate,
            Model = request.Model,
            HighestPriority = jobs.HighestOf(caller),
            FilterJson = ToJson(request.Filter),
            Meaning = SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.BulkReplayRequest)),
        };
        return null;
    }

    /// <inheritdoc cref="TryReadReplay"/>
    public static Refusal? TryReadDiscard(ReadOnlySpan<byte> body, Caller caller, out BulkOrder order, out bool dryRun)
    {
        (order, dryRun) = (null!, false);
        if (StrictBody.TryRead(body, WireJson.Default.BulkDiscardRequest, null, out var request) is { } unreadable)
        {
            return unreadable;
        }

        if (Check(request.Filter, request.Ids, new FieldErrors()) is { } bad)
        {
            return bad;
        }

        dryRun = request.DryRun == true;
        order = new BulkOrder(BulkKind.Discard, Select(request.Filter, request.Ids, caller), caller.KeyId)
        {
            Canary = false,
            // A discard makes no work: nothing is gained by doing it slowly.
            Rate = RunBulkActions.MaxRate,
            FilterJson = ToJson(request.Filter),
            Meaning = SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.BulkDiscardRequest)),
        };
        return null;
    }

    private static Refusal? Check(BulkFilter? filter, IReadOnlyList<Guid>? ids, FieldErrors errors)
    {
        if (filter is null == ids is null)
        {
            return ProblemTypes.InvalidValue.At(
                "filter",
                $"{(filter is null ? "Neither filter nor ids is" : "Both filter and ids are")} given; send one of them. \"filter\": {{}} takes every open dead letter."
            );
        }

        if (ids?.Count is 0 or > MaxIds)
        {
            errors.Add("ids", $"has {ids.Count} ids; 1 to {MaxIds} are allowed. A filter takes more.");
        }

        errors.CheckText("filter.fingerprint", filter?.Fingerprint, MaxTextLength);
        errors.CheckText("filter.class", filter?.Class, MaxTextLength);
        errors.CheckText("filter.code", filter?.Code, MaxTextLength);
        errors.CheckText("filter.model", filter?.Model, MaxTextLength);
        if (filter?.Before <= filter?.Since)
        {
            errors.Add("filter.before", $"is {filter!.Before:O}, which is not after since ({filter.Since:O}).");
        }

        return errors.ToRefusal();
    }

    private static BulkSelection Select(BulkFilter? filter, IReadOnlyList<Guid>? ids, Caller caller) =>
        new(
            caller.TenantId,
            new DeadLetterFilter
            {
                Fingerprint = filter?.Fingerprint,
                Class = filter?.Class,
                Code = filter?.Code,
                Model = filter?.Model,
                Since = filter?.Since,
                Before = filter?.Before,
            },
            ids
        );

    private static string? ToJson(BulkFilter? filter) =>
        filter is null ? null : JsonSerializer.Serialize(filter, WireJson.Default.BulkFilter);
}
