using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.DeadLetters.Alerts;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.DeadLetters.Alerts;

/// <summary><c>/api/v1/alerts</c>: what calls for a person, and that one has seen it.</summary>
internal sealed class AlertRequests(AlertReads alerts)
{
    public async Task ListAsync(HttpContext context)
    {
        string? state = null;
        var refusal =
            QueryParameters.CheckNames(context.Request, "state") ?? QueryParameters.TryReadText(context.Request, "state", out state);
        refusal ??= state is null or "active" or "resolved" or "all"
            ? null
            : ProblemTypes.InvalidValue.At("state", $"state is {Quoted.Of(state)}; it must be one of active, resolved, all.");
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        bool? resolved = state switch
        {
            "all" => null,
            "resolved" => true,
            _ => false,
        };
        var list = new AlertList(await alerts.ListAsync(context.GetTenantId(), resolved, context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.AlertList);
    }

    public async Task AcknowledgeAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var caller = context.User.GetCaller();
        var text = (string)context.Request.RouteValues["id"]!;
        var alert = Guid.TryParseExact(text, "D", out var id)
            ? await alerts.AcknowledgeAsync(
                caller.TenantId,
                caller.IsOperator() && caller.Has(Policies.WriteOperations),
                id,
                caller.KeyId,
                context.RequestAborted
            )
            : null;
        await (
            alert is null
                ? context.RefuseAsync(
                    ProblemTypes.AlertNotFound.With(
                        $"There is no alert {Quoted.Of(text)}. Check the id, that the key belongs to the tenant it was raised for, and for one that concerns every tenant that it is one of the operators with the scope {Policies.WriteOperations}."
                    )
                )
                : JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, alert, WireJson.Default.Alert)
        );
    }
}

internal static class AlertEndpoints
{
    public static void MapAlerts(this IEndpointRouteBuilder app)
    {
        var alerts = app.MapGroup("/api/v1/alerts").WithTags("Operations");
        var requests = app.ServiceProvider.GetRequiredService<AlertRequests>();

        alerts
            .MapGet("", requests.ListAsync)
            .RequireAuthorization(Policies.ReadOperations)
            .Describe(
                "ListAlerts",
                "List alerts",
                "What calls for a person in this tenant: one alert a cause, from when it is raised until its rule has not held for a while.",
                [Query("state", "`active` (default), `resolved` or `all`.")],
                ProblemTypes.InvalidValue
            )
            .Answers<AlertList>(StatusCodes.Status200OK, "The alerts, newest first.");
        alerts
            .MapPost("/{id}/acknowledge", requests.AcknowledgeAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Audited()
            .Describe(
                "AcknowledgeAlert",
                "Acknowledge an alert",
                "Notes that somebody has seen it; the first one counts. It stays active until its cause is gone. One that concerns every tenant takes an operators' key with the scope `operations:write`.",
                [Path("id", "The alert.")],
                ProblemTypes.AlertNotFound
            )
            .Answers<Alert>(StatusCodes.Status200OK, "The alert as it is now.");
    }
}
