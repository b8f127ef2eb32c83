using System.Text;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Files;
using AiBackend.Api.OpenAi.Responses;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.Api.Wire;
using AiBackend.Core.Batches;
using AiBackend.Core.Database;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Core.Repeats;
using AiBackend.Core.Tenancy;
using Npgsql;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary><c>/v1/batches</c>: made, listed, read and cancelled. <see cref="BatchRounds"/> does them.</summary>
internal sealed class BatchRequests(BatchStore batches, JobIds ids, RepeatedRequests repeats)
{
    public const string Address = "/v1/batches";

    private const int MostListed = 100;
    private const int UsuallyListed = 20;
    private static readonly TimeSpan Window = TimeSpan.FromHours(24);

    public async Task CreateAsync(HttpContext context)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var key);
        if (refusal is null)
        {
            using var body = await RequestBody.ReadAsync(context.Request);
            refusal = BatchReader.TryRead(body.Bytes, out var call);
            refusal ??= await repeats.MakeAsync(
                context,
                key is null ? null : new KeptRequest(context.GetTenantId(), IdempotencyKey.At(Address, key)!, call.Fingerprint),
                transaction => AddAsync(context.User.GetCaller(), call, transaction)
            );
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, batch) = await FindAsync(context);
        await (refusal is not null ? context.RefuseAsync(refusal) : ResponseAnswer.SendAsync(context, BatchObject.Of(batch)));
    }

    public async Task ListAsync(HttpContext context)
    {
        ListPage page = null!;
        var refusal =
            QueryParameters.CheckNames(context.Request, "limit", "after")
            ?? OpenAiPage.TryRead(context.Request, MostListed, UsuallyListed, BatchIds.Parse, out page);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var found = await batches.ListAsync(context.GetTenantId(), page with { Limit = page.Limit + 1 }, context.RequestAborted);
        await ResponseAnswer.SendAsync(context, BatchObject.List([.. found.Take(page.Limit)], found.Count > page.Limit));
    }

    public async Task CancelAsync(HttpContext context)
    {
        var (refusal, batch) = await FindAsync(context);
        if (refusal is null && !await batches.CancelAsync(batch.TenantId, batch.Id, context.RequestAborted))
        {
            // Twice is once; what has ended has ended.
            refusal = batch.CancellingAt is null
                ? ProblemTypes.BatchEnded.With(
                    $"The batch {BatchIds.Of(batch.Id)} has ended or is ending, so it cannot be cancelled. Its files have what was done."
                )
                : null;
        }

        if (refusal is null)
        {
            (refusal, batch) = await FindAsync(context);
        }

        await (refusal is not null ? context.RefuseAsync(refusal) : ResponseAnswer.SendAsync(context, BatchObject.Of(batch)));
    }

    private async Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)> AddAsync(Caller caller, BatchCall call, NpgsqlConnection transaction)
    {
        if (caller.UserId is not null)
        {
            return (
                ProblemTypes.InvalidValue.With(
                    "A batch is submitted for an API key, also when that is long after; send one, and no session."
                ),
                default
            );
        }

        if (FileIds.Parse(call.InputFileId) is not { } fileId)
        {
            return (NoFile(call), default);
        }

        var batch = new Batch
        {
            Id = ids.Next(),
            TenantId = caller.TenantId,
            KeyId = caller.KeyId,
            Endpoint = call.Endpoint,
            InputFileId = fileId,
            Metadata = call.Metadata,
        };
        return await batches.AddAsync(transaction, batch, FilePurposes.Batch, Window) switch
        {
            BatchAddition.Made(var made) => (null, Encoding.UTF8.GetBytes(BatchObject.Of(made).ToJsonString())),
            BatchAddition.NoFile => (NoFile(call), default),
            BatchAddition.TooMany(var open) => (
                ProblemTypes.TooManyBatches.With(
                    Invariant(
                        $"{open} batches of this tenant have not ended, and no more may (Batches__MaxOpenPerTenant). Wait until one ends, cancel one, or send larger ones."
                    )
                ),
                default
            ),
            _ => (OpenAiErrors.Deleted, default),
        };
    }

    private static Refusal NoFile(BatchCall call) =>
        ProblemTypes.InvalidValue.At(
            "input_file_id",
            $"input_file_id is {Quoted.Of(call.InputFileId)}; there is no such file with the purpose {FilePurposes.Batch}."
        ) with
        {
            IsOfUnknownId = true,
        };

    private async Task<(Refusal? Refusal, Batch Batch)> FindAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            return (unknown, null!);
        }

        var id = (string)context.Request.RouteValues["id"]!;
        return
            BatchIds.Parse(id) is { } batchId
            && await batches.FindAsync(context.GetTenantId(), batchId, context.RequestAborted) is { } batch
            ? (null, batch)
            : (
                ProblemTypes.BatchNotFound.At(
                    "id",
                    $"There is no batch {Quoted.Of(id)}. Check the id, and that the key belongs to the tenant that made it."
                ),
                null!
            );
    }
}
