using System.Globalization;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Tenancy;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Audit;
using AiBackend.Core.Audit;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Audit;

/// <summary><c>/api/v1/audit</c>: what was done to the installation, and whether the record of it is whole.</summary>
internal sealed class AuditRequests(AuditLog audit, TenantOf owner)
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 200;

    private static readonly string[] Names =
    [
        "actor",
        "action",
        "kind",
        "object",
        "since",
        "before",
        "before_seq",
        "limit",
        TenantOf.Parameter,
    ];

    public async Task ListAsync(HttpContext context)
    {
        var (refusal, filter, beforeSeq, limit) = await ReadAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var entries = await audit.ListAsync(filter, beforeSeq, limit, context.RequestAborted);
        var page = new AuditPage([.. entries.Select(Show)], entries.Count == limit ? entries[^1].Seq : null);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, page, WireJson.Default.AuditPage);
    }

    public async Task VerifyAsync(HttpContext context)
    {
        AuditAnchor? kept = null;
        var refusal =
            QueryParameters.CheckNames(context.Request, "seq", "hash")
            ?? TryReadKept(context.Request, out kept)
            ?? (
                context.User.GetCaller().IsOperator()
                    ? null
                    : ProblemTypes.MissingScope.With(
                        "The log is of all tenants: only a key of the operators' tenant, default, may check it."
                    )
            );
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var verdict = await audit.VerifyAsync(kept, context.RequestAborted);
        var answer = new AuditVerification(verdict.FirstBad is null, verdict.Rows, verdict.FirstBad, verdict.Seq, verdict.Hash);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, answer, WireJson.Default.AuditVerification);
    }

    private async Task<(Refusal? Refusal, AuditFilter Filter, long? BeforeSeq, int Limit)> ReadAsync(HttpContext context)
    {
        var request = context.Request;
        (string? actor, string? action, string? kind, string? name, string? seq) = (null, null, null, null, null);
        (DateTimeOffset? since, DateTimeOffset? before) = (null, null);
        var limit = DefaultLimit;
        var refusal =
            QueryParameters.CheckNames(request, Names)
            ?? QueryParameters.TryReadText(request, "actor", out actor)
            ?? QueryParameters.TryReadText(request, "action", out action)
            ?? QueryParameters.TryReadText(request, "kind", out kind)
            ?? QueryParameters.TryReadText(request, "object", out name)
            ?? QueryParameters.TryReadText(request, "before_seq", out seq)
            ?? QueryParameters.TryReadMoment(request, "since", out since)
            ?? QueryParameters.TryReadMoment(request, "before", out before)
            ?? QueryParameters.TryReadNumber(request, "limit", 1, MaxLimit, DefaultLimit, out limit);
        long? beforeSeq = long.TryParse(seq, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
        if (refusal is null && seq is not null && beforeSeq is null)
        {
            refusal = ProblemTypes.InvalidValue.At("before_seq", $"before_seq is {Quoted.Of(seq)}; it must be next_before of a page.");
        }

        var (unknown, tenantId) = refusal is null ? await owner.ReadAsync(context) : (refusal, null);
        var filter = new AuditFilter(tenantId)
        {
            Actor = actor,
            Action = action,
            Kind = kind,
            Object = name,
            Since = since,
            Before = before,
        };
        return (unknown, filter, beforeSeq, limit);
    }

    /// <summary>What a caller kept of an earlier answer, or of the leader's log.</summary>
    private static Refusal? TryReadKept(HttpRequest request, out AuditAnchor? kept)
    {
        kept = null;
        string? hash = null;
        if (
            (QueryParameters.TryReadText(request, "seq", out var seq) ?? QueryParameters.TryReadText(request, "hash", out hash)) is
            { } repeated
        )
        {
            return repeated;
        }

        if (seq is null && hash is null)
        {
            return null;
        }

        if (!long.TryParse(seq, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number == 0)
        {
            return ProblemTypes.InvalidValue.At(
                "seq",
                $"seq is {Quoted.Of(seq ?? "")}; it must be the number that was kept with the hash."
            );
        }

        if (hash?.Length != 64 || !hash.All(char.IsAsciiHexDigit))
        {
            return ProblemTypes.InvalidValue.At(
                "hash",
                $"hash is {Quoted.Of(hash ?? "")}; it must be the 64 hexadecimal digits that were kept with seq."
            );
        }

        kept = new AuditAnchor(number, Convert.FromHexString(hash));
        return null;
    }

    private static AuditRecord Show(AuditEntry entry) =>
        new()
        {
            Seq = entry.Seq,
            At = entry.At,
            Tenant = entry.Tenant,
            Actor = entry.Actor,
            Action = entry.Action,
            Kind = entry.Kind,
            Object = entry.Object,
            Before = Json(entry.Before),
            After = Json(entry.After),
            RequestId = entry.RequestId,
            Address = entry.Address,
        };

    private static JsonElement? Json(string? text)
    {
        if (text is null)
        {
            return null;
        }

        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}

/// <summary>Every route about the audit log.</summary>
internal static class AuditEndpoints
{
    public static void AddAuditEndpoints(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<AuditRequests>();

    public static void MapAudit(this IEndpointRouteBuilder app)
    {
        var requests = app.ServiceProvider.GetRequiredService<AuditRequests>();
        var group = app.MapGroup("/api/v1/audit").WithTags("Audit");
        group
            .MapGet("", requests.ListAsync)
            .RequireAuthorization(Policies.ReadAudit)
            .Describe(
                "ListAudit",
                "Read the audit log",
                "What people and programs changed about the installation, or were refused. Nobody can change or remove an entry.",
                [
                    Query("actor", "Only of this key or user."),
                    Query("action", "Only this action, such as `pause_work`."),
                    Query("kind", "Only about this kind of thing, such as `budget`."),
                    Query("object", "Only about this one."),
                    Query("since", "From a time on (inclusive)."),
                    Query("before", "Up to a time (exclusive)."),
                    QueryNumber("before_seq", "`next_before` of the page before."),
                    QueryNumber("limit", "1 to 200, 50 by default."),
                    Query(TenantOf.Parameter, "For operators: another tenant, by its name; `*` is every tenant. Default the key's own."),
                ],
                ProblemTypes.InvalidValue
            )
            .Answers<AuditPage>(StatusCodes.Status200OK, "A page, newest first.");
        group
            .MapGet("/verification", requests.VerifyAsync)
            .RequireAuthorization(Policies.ReadAudit)
            .Describe(
                "VerifyAudit",
                "Check the audit log",
                "Computes every hash of the chain anew and names the first entry that was changed or is missing, or that is not as on the day when the leader, or you, put down where the log stood. For operators.",
                [
                    Query("seq", "With `hash`: the number that you kept of an earlier answer, or of the leader's log (2902)."),
                    Query("hash", "What it was."),
                ],
                ProblemTypes.InvalidValue
            )
            .Answers<AuditVerification>(StatusCodes.Status200OK, "The verdict, and the hash to keep elsewhere.");
    }
}
