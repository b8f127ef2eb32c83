using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Core.Webhooks.Inbound;
using Source = AiBackend.Core.Webhooks.Inbound.WebhookSource;
using WireSource = AiBackend.ApiContracts.Webhooks.WebhookSource;

namespace AiBackend.Api.Webhooks.Inbound;

/// <summary><c>/api/v1/webhooks/inbound</c>: who may send messages that become jobs, and what jobs.</summary>
internal sealed class SourceRequests(SourceStore store, WebhookSeal seal, InboundJob jobs)
{
    private const int MostName = 128;

    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = await store.ListAsync(context.GetTenantId(), null, context.RequestAborted);
        var body = new WebhookSourceList([.. list.Select(source => Show(source))]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, body, WireJson.Default.WebhookSourceList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, source) = await FindAsync(context);
        await AnswerAsync(context, refusal, source);
    }

    public async Task PostAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.NewWebhookSource);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? Check(request, caller);
        Source? added = null;
        var secret = refusal is null ? request.Secret ?? WebhookSecret.Create() : "";
        if (refusal is null)
        {
            var wanted = new Source
            {
                Id = Guid.CreateVersion7(),
                TenantId = caller.TenantId,
                Name = request.Name!,
                Template = Text(request.Template!),
                CreatedBy = caller.KeyId,
            };
            added = await store.AddAsync(wanted, secret, context.RequestAborted);
            refusal = added is not null
                ? null
                : ProblemTypes.TooManyWebhooks.With(
                    $"A tenant has at most {SourceStore.MostOfTenant} sources. Change or delete one of GET /api/v1/webhooks/inbound."
                );
        }

        if (added is not null)
        {
            context.Response.Headers.Location = $"/api/v1/webhooks/inbound/{added.Id}";
        }

        await AnswerAsync(context, refusal, added, secret, StatusCodes.Status201Created);
    }

    public async Task PatchAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.WebhookSourceChange);
        var (unknown, source) = await FindAsync(context);
        Source? now = null;
        refusal ??=
            unknown
            ?? (request.Name is null ? null : CheckName(request.Name))
            ?? (request.Template is null ? null : jobs.Check(request.Template, caller));
        if (refusal is null)
        {
            var changed = source! with
            {
                Name = request.Name ?? source.Name,
                Template = request.Template is { } template ? Text(template) : source.Template,
                Enabled = request.Enabled ?? source.Enabled,
            };
            now = await store.ChangeAsync(changed, context.RequestAborted);
            refusal = now is null ? Unknown(context) : null;
        }

        await AnswerAsync(context, refusal, now);
    }

    public async Task RotateAsync(HttpContext context)
    {
        var (refusal, source) = await FindAsync(context);
        refusal ??= seal.IsPossible ? null : WebhookRequests.NoSecret;
        Source? now = null;
        var secret = WebhookSecret.Create();
        if (refusal is null)
        {
            now = await store.RotateAsync(source!.TenantId, source.Id, secret, context.RequestAborted);
            refusal = now is null ? Unknown(context) : null;
        }

        await AnswerAsync(context, refusal, now, secret);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var (refusal, source) = await FindAsync(context);
        if (refusal is null && await store.DeleteAsync(source!.TenantId, source.Id, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await context.RefuseAsync(refusal ?? Unknown(context));
    }

    private Refusal? Check(NewWebhookSource request, Caller caller) =>
        !seal.IsPossible ? WebhookRequests.NoSecret
        : request.Secret is { } secret && WebhookSecret.TryParse(secret) is null
            ? ProblemTypes.InvalidValue.At("secret", "secret is not whsec_ and 24 to 64 bytes in base 64. Leave it out to have one made.")
        : CheckName(request.Name) ?? jobs.Check(request.Template, caller);

    private static Refusal? CheckName(string? name)
    {
        var errors = new FieldErrors();
        errors.CheckText("name", name ?? "", MostName);
        return errors.ToRefusal();
    }

    private async Task<(Refusal? Refusal, Source? Source)> FindAsync(HttpContext context)
    {
        var refusal = QueryParameters.CheckNames(context.Request);
        var found =
            refusal is null && Guid.TryParse((string)context.Request.RouteValues["id"]!, out var id)
                ? (await store.ListAsync(context.GetTenantId(), id, context.RequestAborted)).SingleOrDefault()
                : null;
        return (refusal ?? (found is null ? Unknown(context) : null), found);
    }

    private static Task AnswerAsync(
        HttpContext context,
        Refusal? refusal,
        Source? source,
        string? secret = null,
        int status = StatusCodes.Status200OK
    ) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, status, Show(source!, secret), WireJson.Default.WebhookSource)
            : context.RefuseAsync(refusal);

    private static Refusal Unknown(HttpContext context) =>
        ProblemTypes.WebhookNotFound.With(
            $"There is no source {Quoted.Of((string)context.Request.RouteValues["id"]!)}. GET /api/v1/webhooks/inbound lists them."
        );

    private static string Text(WebhookJobTemplate template) => JsonSerializer.Serialize(template, WireJson.Default.WebhookJobTemplate);

    private static WireSource Show(Source source, string? secret = null) =>
        new()
        {
            Id = source.Id,
            Name = source.Name,
            Path = $"/api/v1/webhooks/inbound/{source.Id}/messages",
            Template = JsonSerializer.Deserialize(source.Template, WireJson.Default.WebhookJobTemplate)!,
            Enabled = source.Enabled,
            OldSecretUntil = source.OldSecretUntil,
            Secret = secret,
            CreatedAt = source.CreatedAt,
        };
}
