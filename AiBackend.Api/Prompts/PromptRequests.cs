using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Jobs.Versions;
using AiBackend.Core.Prompts;
using AiBackend.Core.Repeats;
using Npgsql;

namespace AiBackend.Api.Prompts;

/// <summary><c>/api/v1/prompts</c>: prompts and their versions.</summary>
internal sealed class PromptRequests(PromptStore store, PromptStatisticsReads statistics, PromptRules rules, RepeatedRequests repeats)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = await store.ListAsync(context.GetTenantId(), null, context.RequestAborted);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new PromptList(list), WireJson.Default.PromptList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, prompt) = await FindAsync(context);
        await (
            refusal is null
                ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, prompt!, WireJson.Default.Prompt)
                : context.RefuseAsync(refusal)
        );
    }

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.NewPrompt);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? rules.Check(request);
        var (tenant, by) = (context.GetTenantId(), context.User.GetCaller().KeyId);
        await AddAsync(
            context,
            refusal,
            () => JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.NewPrompt),
            transaction => PromptStore.AddAsync(transaction, tenant, request, by),
            () =>
                Task.FromResult(
                    ProblemTypes.PromptExists.With(
                        $"There is a prompt {Quoted.Of(request.Name!)} already, or the tenant has {PromptStore.MostPrompts} of them. POST /api/v1/prompts/{request.Name}/versions adds a version."
                    )
                )
        );
    }

    public async Task PostVersionAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.NewPromptVersion);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? rules.Check(request);
        var (tenant, by) = (context.GetTenantId(), context.User.GetCaller().KeyId);
        await AddAsync(
            context,
            refusal,
            () => JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.NewPromptVersion),
            transaction => PromptStore.AddVersionAsync(transaction, tenant, NameOf(context), request, by),
            async () => (await FindAsync(context)).Refusal ?? TooMany(context)
        );
    }

    /// <summary>Adds a version; with an Idempotency-Key once, however often it is sent.</summary>
    private async Task AddAsync(
        HttpContext context,
        Refusal? refusal,
        Func<byte[]> sent,
        Func<NpgsqlConnection, Task<PromptVersion?>> add,
        Func<Task<Refusal>> refuse
    )
    {
        string? key = null;
        refusal = IdempotencyKey.TryRead(context.Request.Headers[IdempotencyKey.Header], out key) ?? refusal;
        if (refusal is null)
        {
            // What is refused has a status of its own.
            context.Response.StatusCode = StatusCodes.Status201Created;
            var request = IdempotencyKey.At(context.Request.Path, key) is { } stored
                ? new KeptRequest(context.GetTenantId(), stored, SHA256.HashData(sent()))
                : null;
            refusal = await repeats.MakeAsync(context, request, transaction => MakeAsync(transaction, add, refuse), AddressOf);
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private static async Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)> MakeAsync(
        NpgsqlConnection transaction,
        Func<NpgsqlConnection, Task<PromptVersion?>> add,
        Func<Task<Refusal>> refuse
    ) =>
        await add(transaction) is { } added
            ? (null, JsonSerializer.SerializeToUtf8Bytes(added, WireJson.Default.PromptVersion))
            : (await refuse(), default);

    /// <summary>Of the version in an answer, which may have been kept by an Api of another version.</summary>
    private static string AddressOf(ReadOnlyMemory<byte> answer)
    {
        var added = JsonSerializer.Deserialize(answer.Span, StoredJson.Lenient.PromptVersion)!;
        return FormattableString.Invariant($"/api/v1/prompts/{added.Name}/versions/{added.Version}");
    }

    public async Task ListVersionsAsync(HttpContext context)
    {
        var (refusal, prompt) = await FindAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var tenant = context.GetTenantId();
        var versions = await store.VersionsAsync(tenant, prompt!.Name, null, context.RequestAborted);
        var list = new PromptVersionList(await statistics.AddToAsync(tenant, versions, context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.PromptVersionList);
    }

    public async Task GetVersionAsync(HttpContext context)
    {
        var text = (string)context.Request.RouteValues["version"]!;
        var refusal = QueryParameters.CheckNames(context.Request);
        IReadOnlyList<PromptVersion> found = [];
        if (refusal is null && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var version))
        {
            found = await store.VersionsAsync(context.GetTenantId(), NameOf(context), [version], context.RequestAborted);
            found = await statistics.AddToAsync(context.GetTenantId(), found, context.RequestAborted);
        }

        refusal ??= found is [] ? Unknown(context, $"no version {Quoted.Of(text)} of a prompt {Quoted.Of(NameOf(context))}") : null;
        await (
            refusal is null
                ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, found[0], WireJson.Default.PromptVersion)
                : context.RefuseAsync(refusal)
        );
    }

    public async Task DiffAsync(HttpContext context)
    {
        var (from, to) = (0, 0);
        var refusal =
            QueryParameters.CheckNames(context.Request, "from", "to")
            ?? QueryParameters.TryReadNumber(context.Request, "from", 1, int.MaxValue, 0, out from)
            ?? QueryParameters.TryReadNumber(context.Request, "to", 1, int.MaxValue, 0, out to);
        if (refusal is null && (from == 0 || to == 0))
        {
            refusal = ProblemTypes.InvalidValue.At(
                from == 0 ? "from" : "to",
                $"{(from == 0 ? "from" : "to")} is missing; send the number of a version."
            );
        }

        IReadOnlyList<PromptVersion> found = refusal is null
            ? await store.VersionsAsync(context.GetTenantId(), NameOf(context), [from, to], context.RequestAborted)
            : [];
        var (old, now) = (found.FirstOrDefault(each => each.Version == from), found.FirstOrDefault(each => each.Version == to));
        if (refusal is null && (old is null || now is null))
        {
            refusal = Unknown(
                context,
                FormattableString.Invariant($"no version {(old is null ? from : to)} of a prompt {Quoted.Of(NameOf(context))}")
            );
        }

        await (
            refusal is null
                ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, PromptComparison.Compare(old!, now!), WireJson.Default.PromptDiff)
                : context.RefuseAsync(refusal)
        );
    }

    /// <returns>The prompt that the address names, or why not.</returns>
    public async Task<(Refusal? Refusal, Prompt? Prompt)> FindAsync(HttpContext context)
    {
        var refusal = QueryParameters.CheckNames(context.Request);
        var found = refusal is null ? await store.ListAsync(context.GetTenantId(), NameOf(context), context.RequestAborted) : [];
        return (refusal ?? (found is [] ? Unknown(context, $"no prompt {Quoted.Of(NameOf(context))}") : null), found.SingleOrDefault());
    }

    public static string NameOf(HttpContext context) => (string)context.Request.RouteValues["name"]!;

    private static Refusal Unknown(HttpContext context, string what) =>
        ProblemTypes.PromptNotFound.With($"There is {what}. GET /api/v1/prompts lists prompts.");

    private static Refusal TooMany(HttpContext context) =>
        ProblemTypes.PromptExists.With(
            $"The prompt {Quoted.Of(NameOf(context))} has {PromptStore.MostVersions} versions, which is as many as it may. Make another prompt."
        );
}
