using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Operations;

namespace AiBackend.Api.Controls;

/// <summary>Every route about holding work back, at a glance.</summary>
internal static class ControlEndpoints
{
    private static readonly ProblemType[] Refusals = [.. ProblemTypes.OfBody, ProblemTypes.ControlNotFound];

    public static void AddControlEndpoints(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<ControlRules>().AddSingleton<ControlRequests>();

    public static void MapControls(this IEndpointRouteBuilder app)
    {
        var queues = app.MapGroup("/api/v1/queues").WithTags("Operations");
        var requests = app.ServiceProvider.GetRequiredService<ControlRequests>();
        queues
            .MapGet("", requests.ListAsync)
            .RequireAuthorization(Policies.Operators, Policies.ReadOperations)
            .Describe("ListQueues", "List queues and what is held back", "Over all tenants.")
            .Answers<QueueList>(StatusCodes.Status200OK, "The queues, and everything that is paused or draining.");
        Map(
            "/pause",
            "PauseWork",
            "Pause",
            "Jobs are accepted and not started; running ones go on. Of a provider: no call begins.",
            requests.PauseAsync
        );
        Map("/drain", "DrainWork", "Drain", "New jobs are refused with 503 `draining`; what was accepted runs off.", requests.DrainAsync);
        Map("/resume", "ResumeWork", "Resume", "Ends a pause or a drain; what waited goes on.", requests.ResumeAsync);

        void Map(string path, string name, string verb, string effect, RequestDelegate act) =>
            queues
                .MapPost(path, act)
                .RequireAuthorization(Policies.Operators, Policies.WriteOperations)
                .Describe(name, $"{verb} a queue, tenant, model or provider", $"{effect} May be repeated.", null, Refusals)
                .Answers<ControlInfo>(StatusCodes.Status200OK, "How it is held back now.")
                .Takes<ControlRequest>();
    }
}
