using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Webhooks;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Webhooks;

/// <summary>Webhooks at a glance.</summary>
internal static class WebhookRoutes
{
    private static readonly DescribedParameter[] OfWebhook = [Path("id", "The webhook.")];

    public static void AddWebhookRequests(this IHostApplicationBuilder builder) =>
        builder
            .Services.AddSingleton<JobWebhookRules>()
            .AddSingleton<WebhookRules>()
            .AddSingleton<WebhookRequests>()
            .AddSingleton<DeliveryRequests>();

    public static void MapWebhooks(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/v1/webhooks").WithTags("Webhooks");
        group.MapEndpoints(app.ServiceProvider.GetRequiredService<WebhookRequests>());
        group.MapSecrets(app.ServiceProvider.GetRequiredService<WebhookRequests>());
        group.MapDeliveries(app.ServiceProvider.GetRequiredService<DeliveryRequests>());
    }

    private static void MapEndpoints(this IEndpointRouteBuilder group, WebhookRequests webhooks)
    {
        group
            .MapGet("", webhooks.ListAsync)
            .RequireAuthorization(Policies.ReadWebhooks)
            .Describe("ListWebhooks", "List webhooks", "Where messages go, and how that fares. Never the secrets.")
            .Answers<WebhookList>(StatusCodes.Status200OK, "Newest first.");
        group
            .MapPost("", webhooks.PostAsync)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "AddWebhook",
                "Add a webhook",
                """
                Messages about what happens from now on are posted there, signed as Standard Webhooks says. The secret is in this answer and
                never shown again. With `for_jobs` it is the secret for jobs that name an address of their own.
                """,
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.NoWebhookSecret, ProblemTypes.TooManyWebhooks]
            )
            .Answers<Webhook>(StatusCodes.Status201Created, "The webhook, with its secret.")
            .Takes<NewWebhook>();
        group
            .MapGet("/{id}", webhooks.GetAsync)
            .RequireAuthorization(Policies.ReadWebhooks)
            .Describe("GetWebhook", "Read a webhook", "As it is now.", OfWebhook, ProblemTypes.WebhookNotFound)
            .Answers<Webhook>(StatusCodes.Status200OK, "The webhook.");
        group
            .MapPatch("/{id}", webhooks.PatchAsync)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "ChangeWebhook",
                "Change a webhook",
                "Sets what is given. Messages that wait go to the new address; while it is disabled nothing is sent, and nothing new written down.",
                OfWebhook,
                [.. ProblemTypes.OfBody, ProblemTypes.WebhookNotFound]
            )
            .Answers<Webhook>(StatusCodes.Status200OK, "The webhook.")
            .Takes<WebhookChange>();
        group
            .MapDelete("/{id}", webhooks.DeleteAsync)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "DeleteWebhook",
                "Delete a webhook",
                "With its messages, also those that wait.",
                OfWebhook,
                ProblemTypes.WebhookNotFound
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }

    private static void MapSecrets(this IEndpointRouteBuilder group, WebhookRequests webhooks) =>
        group
            .MapPost("/{id}/rotate", webhooks.RotateAsync)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "RotateWebhookSecret",
                "Rotate the secret of a webhook",
                "Messages are signed with the new secret from now on, and with the old one too for 24 hours.",
                OfWebhook,
                ProblemTypes.WebhookNotFound,
                ProblemTypes.NoWebhookSecret
            )
            .Answers<Webhook>(StatusCodes.Status200OK, "The webhook, with its new secret.");

    private static void MapDeliveries(this IEndpointRouteBuilder group, DeliveryRequests deliveries)
    {
        group
            .MapPost("/{id}/test", deliveries.TestAsync)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "TestWebhook",
                "Send a test message",
                "A message `webhook.test`, which is sent, repeated and listed like any other.",
                OfWebhook,
                ProblemTypes.WebhookNotFound,
                ProblemTypes.NoWebhookSecret,
                ProblemTypes.InvalidValue
            )
            .Answers<WebhookDelivery>(StatusCodes.Status202Accepted, "The message.");
        group
            .MapGet("/{id}/deliveries", deliveries.ListAsync)
            .RequireAuthorization(Policies.ReadWebhooks)
            .Describe(
                "ListDeliveries",
                "List messages to a webhook",
                "With every try. Kept for 30 days after their end.",
                [
                    .. OfWebhook,
                    Query("state", "`waiting`, `delivered` or `given_up`."),
                    QueryNumber("limit", "1 to 200, 50 by default."),
                    Query("cursor", "`next_cursor` of the page before."),
                ],
                ProblemTypes.WebhookNotFound,
                ProblemTypes.InvalidValue,
                ProblemTypes.BadCursor
            )
            .Answers<WebhookDeliveryPage>(StatusCodes.Status200OK, "Newest first.");
        group
            .MapPost("/{id}/deliveries/{message}/resend", deliveries.ResendAsync)
            .RequireAuthorization(Policies.WriteWebhooks)
            .Describe(
                "ResendDelivery",
                "Send a message again",
                "At once, with the same id and body, and on the same schedule as when it was new.",
                [.. OfWebhook, Path("message", "The message, as in `webhook-id`.")],
                ProblemTypes.WebhookNotFound,
                ProblemTypes.DeliveryNotFound
            )
            .Answers<WebhookDelivery>(StatusCodes.Status202Accepted, "The message, which waits to be sent.");
    }
}
