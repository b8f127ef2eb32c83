using System.Globalization;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Prompts;

namespace AiBackend.Api.Prompts;

/// <summary><c>/api/v1/prompts</c>: prompts and their versions.</summary>
internal sealed class PromptRequests(PromptStore store, PromptStatisticsReads statistics, PromptRules rules)
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
        PromptVersion? added = null;
        if ((refusal ??= QueryParameters.CheckNames(context.Request) ?? rules.Check(request)) is null)
        {
            added = await store.AddAsync(context.GetTenantId(), request, context.User.GetCaller().KeyId, context.RequestAborted);
            refusal = added is null
                ? ProblemTypes.PromptExists.With(
                    $"There is a prompt {Quoted.Of(request.Name!)} already, or the tenant has {PromptStore.MostPrompts} of them. POST /api/v1/prompts/{request.Name}/versions adds a version."
                )
                : null;
        }

        await AnswerAsync(context, refusal, added);
    }

    public async Task PostVersionAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.NewPromptVersion);
        PromptVersion? added = null;
        if ((refusal ??= QueryParameters.CheckNames(context.Request) ?? rules.Check(request)) is null)
        {
            var by = context.User.GetCaller().KeyId;
            added = await store.AddVersionAsync(context.GetTenantId(), NameOf(context), request, by, context.RequestAborted);
            refusal = added is null ? (await FindAsync(context)).Refusal ?? TooMany(context) : null;
        }

        await AnswerAsync(context, refusal, added);
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
        await AnswerAsync(context, refusal, found.SingleOrDefault(), StatusCodes.Status200OK);
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

    private static Task AnswerAsync(
        HttpContext context,
        Refusal? refusal,
        PromptVersion? version,
        int status = StatusCodes.Status201Created
    )
    {
        if (refusal is not null)
        {
            return context.RefuseAsync(refusal);
        }

        if (status == StatusCodes.Status201Created)
        {
            context.Response.Headers.Location = FormattableString.Invariant($"/api/v1/prompts/{version!.Name}/versions/{version.Version}");
        }

        return JsonAnswer.WriteAsync(context, status, version!, WireJson.Default.PromptVersion);
    }
}
