using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Webhooks;

namespace AiBackend.Api.Webhooks;

/// <summary><c>/api/v1/webhooks</c>: where a tenant wants messages to go.</summary>
internal sealed class WebhookRequests(EndpointStore store, WebhookSeal seal, WebhookRules rules)
{
    public static readonly Refusal NoSecret = ProblemTypes.NoWebhookSecret.With(
        "This installation has no secret to encrypt the secrets of webhooks with, so it has no webhooks. Set Webhooks__SealSecret to a random secret of at least 32 characters, the same for every process."
    );

    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = await store.ListAsync(context.GetTenantId(), context.RequestAborted);
        var body = new WebhookList([.. list.Select(endpoint => Show(endpoint))]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, body, WireJson.Default.WebhookList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, endpoint) = await FindAsync(context);
        await AnswerAsync(context, refusal, endpoint);
    }

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.NewWebhook);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? (seal.IsPossible ? null : NoSecret);
        WebhookEndpoint? added = null;
        var secret = WebhookSecret.Create();
        if (refusal is null && (refusal = rules.CheckNew(request, context.GetTenantId(), out var wanted)) is null)
        {
            added = await store.AddAsync(wanted, secret, context.User.GetCaller().KeyId, context.RequestAborted);
            refusal = added is not null
                ? null
                : ProblemTypes.TooManyWebhooks.With(
                    $"A tenant has at most {EndpointStore.MostOfTenant} webhooks, and one for jobs. Change or delete one of GET /api/v1/webhooks."
                );
        }

        if (added is not null)
        {
            context.Response.Headers.Location = $"/api/v1/webhooks/{added.Id}";
        }

        await AnswerAsync(context, refusal, added, secret, StatusCodes.Status201Created);
    }

    public async Task PatchAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.WebhookChange);
        var (unknown, endpoint) = await FindAsync(context);
        WebhookEndpoint? now = null;
        if ((refusal ??= unknown) is null && (refusal = rules.CheckChange(request, endpoint!, out var change)) is null)
        {
            now = await store.ChangeAsync(endpoint!.TenantId, endpoint.Id, change, context.RequestAborted);
            refusal = now is null ? Unknown(context) : null;
        }

        await AnswerAsync(context, refusal, now);
    }

    public async Task RotateAsync(HttpContext context)
    {
        var (refusal, endpoint) = await FindAsync(context);
        refusal ??= seal.IsPossible ? null : NoSecret;
        WebhookEndpoint? now = null;
        var secret = WebhookSecret.Create();
        if (refusal is null)
        {
            now = await store.RotateAsync(endpoint!.TenantId, endpoint.Id, secret, context.RequestAborted);
            refusal = now is null ? Unknown(context) : null;
        }

        await AnswerAsync(context, refusal, now, secret);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var refusal = QueryParameters.CheckNames(context.Request);
        if (refusal is null && IdOf(context) is { } id && await store.DeleteAsync(context.GetTenantId(), id, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await context.RefuseAsync(refusal ?? Unknown(context));
    }

    /// <returns>The endpoint that the address names, or why not.</returns>
    public async Task<(Refusal? Refusal, WebhookEndpoint? Endpoint)> FindAsync(HttpContext context, params string[] parameters)
    {
        var refusal = QueryParameters.CheckNames(context.Request, parameters);
        var found =
            refusal is null && IdOf(context) is { } id ? await store.FindAsync(context.GetTenantId(), id, context.RequestAborted) : null;
        return (refusal ?? (found is null ? Unknown(context) : null), found);
    }

    private static Task AnswerAsync(
        HttpContext context,
        Refusal? refusal,
        WebhookEndpoint? endpoint,
        string? secret = null,
        int status = StatusCodes.Status200OK
    ) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, status, Show(endpoint!, secret), WireJson.Default.Webhook)
            : context.RefuseAsync(refusal);

    private static Guid? IdOf(HttpContext context) => Guid.TryParse((string)context.Request.RouteValues["id"]!, out var id) ? id : null;

    private static Refusal Unknown(HttpContext context) =>
        ProblemTypes.WebhookNotFound.With(
            $"There is no webhook {Quoted.Of((string)context.Request.RouteValues["id"]!)}. GET /api/v1/webhooks lists them."
        );

    private static Webhook Show(WebhookEndpoint endpoint, string? secret = null) =>
        new()
        {
            Id = endpoint.Id,
            Url = endpoint.Url,
            Description = endpoint.Description,
            Events = endpoint.Events,
            Enabled = endpoint.Enabled,
            DisabledFor = endpoint.DisabledFor,
            FailingSince = endpoint.FailingSince,
            OldSecretUntil = endpoint.OldSecretUntil,
            Secret = secret,
            CreatedAt = endpoint.CreatedAt,
        };
}
