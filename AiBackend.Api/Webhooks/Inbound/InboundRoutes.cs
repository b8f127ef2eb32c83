using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Webhooks;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Webhooks.Inbound;

/// <summary>Webhooks of others at a glance.</summary>
internal static class InboundRoutes
{
    private static readonly DescribedParameter[] OfSource = [Path("id", "The source.")];

    public static void AddInboundWebhooks(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<InboundJob>().AddSingleton<SourceRequests>().AddSingleton<ReceiveWebhook>();

    public static void MapInboundWebhooks(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/v1/webhooks/inbound").WithTags("Webhooks");
        var sources = app.ServiceProvider.GetRequiredService<SourceRequests>();
        group.MapReads(sources);
        group.MapChanges(sources);
        group.MapMessages(app.ServiceProvider.GetRequiredService<ReceiveWebhook>());
    }

    private static void MapReads(this IEndpointRouteBuilder group, SourceRequests sources)
    {
        group
            .MapGet("", sources.ListAsync)
            .RequireAuthorization(Policies.ReadWebhooks)
            .Describe(
                "ListWebhookSources",
                "List sources of inbound webhooks",
                "Who may send messages that become jobs. Never the secrets."
            )
            .Answers<WebhookSourceList>(StatusCodes.Status200OK, "Newest first.");
        group
            .MapGet("/{id}", sources.GetAsync)
            .RequireAuthorization(Policies.ReadWebhooks)
            .Describe("GetWebhookSource", "Read a source", "As it is now.", OfSource, ProblemTypes.WebhookNotFound)
            .Answers<WebhookSource>(StatusCodes.Status200OK, "The source.");
    }

    private static void MapChanges(this IEndpointRouteBuilder group, SourceRequests sources)
    {
        group
            .MapPost("", sources.PostAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "AddWebhookSource",
                "Add a source of inbound webhooks",
                """
                Messages that are posted to its `path`, signed with its secret, become jobs by its template. The secret is in this answer
                and never shown again. Its jobs have the bounds of this key and count
                for it; revoking the key stops the source.
                """,
                null,
                [
                    .. ProblemTypes.OfBody,
                    ProblemTypes.NoWebhookSecret,
                    ProblemTypes.TooManyWebhooks,
                    ProblemTypes.UnknownModel,
                    ProblemTypes.PriorityTooHigh,
                ]
            )
            .Answers<WebhookSource>(StatusCodes.Status201Created, "The source, with its secret.")
            .Takes<NewWebhookSource>();
        group
            .MapPatch("/{id}", sources.PatchAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "ChangeWebhookSource",
                "Change a source",
                "Sets what is given, for messages that come from now on. While it is disabled, messages are refused.",
                OfSource,
                [.. ProblemTypes.OfBody, ProblemTypes.WebhookNotFound, ProblemTypes.UnknownModel, ProblemTypes.PriorityTooHigh]
            )
            .Answers<WebhookSource>(StatusCodes.Status200OK, "The source.")
            .Takes<WebhookSourceChange>();
        group
            .MapPost("/{id}/rotate", sources.RotateAsync)
            // Whoever has the secret makes jobs.
            .RequireAuthorization(Policies.WriteJobs)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "RotateWebhookSource",
                "Rotate the secret of a source",
                "Messages signed with the new secret are believed from now on, and those with the old one for 24 hours.",
                OfSource,
                ProblemTypes.WebhookNotFound,
                ProblemTypes.NoWebhookSecret
            )
            .Answers<WebhookSource>(StatusCodes.Status200OK, "The source, with its new secret.");
        group
            .MapDelete("/{id}", sources.DeleteAsync)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe("DeleteWebhookSource", "Delete a source", "Its jobs stay.", OfSource, ProblemTypes.WebhookNotFound)
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }

    private static void MapMessages(this IEndpointRouteBuilder group, ReceiveWebhook receive) =>
        group
            .MapPost("/{id}/messages", receive.HandleAsync)
            .AllowAnonymous()
            .Describe(
                "ReceiveWebhook",
                "Take a message",
                """
                Without a key: the sender proves itself by a signature, as Standard Webhooks says, that is at most five minutes old. A
                message becomes one job, however often it is sent within seven days. At most 256 KiB of JSON.
                """,
                [
                    .. OfSource,
                    Header("webhook-id", "The message; the same when it is sent again."),
                    Header("webhook-timestamp", "Seconds since 1970."),
                    Header("webhook-signature", "`v1,` and the signature in base 64; several with spaces."),
                ],
                ProblemTypes.InvalidSignature,
                ProblemTypes.InvalidJson,
                ProblemTypes.InvalidValue,
                ProblemTypes.EmptyText,
                ProblemTypes.BodyTooLarge,
                ProblemTypes.TooManyAttempts,
                ProblemTypes.TenantQueueFull,
                ProblemTypes.QueueFull,
                ProblemTypes.Draining,
                ProblemTypes.Overloaded
            )
            .Answers<WebhookReceipt>(StatusCodes.Status202Accepted, "The job that it became.")
            .Answers<WebhookReceipt>(StatusCodes.Status200OK, "It came before; nothing was done.");
}
