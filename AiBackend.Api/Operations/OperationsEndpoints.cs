using AiBackend.Api.Auth;

namespace AiBackend.Api.Operations;

/// <summary>What operators read, at a glance.</summary>
internal static class OperationsEndpoints
{
    public static void AddOperationsEndpoints(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<GetStats>().AddSingleton<ListProviders>().AddSingleton<ListWorkers>();

    public static void MapOperations(this IEndpointRouteBuilder app)
    {
        var operations = app.MapGroup("/api/v1").WithTags("Operations");
        var services = app.ServiceProvider;

        operations.MapGet("/stats", services.GetRequiredService<GetStats>().HandleAsync).RequireAuthorization(Policies.ReadOperations);
        operations.MapGet("/workers", services.GetRequiredService<ListWorkers>().HandleAsync).RequireAuthorization(Policies.ReadOperations);
        // Whoever submits jobs has to know which models there are.
        operations.MapGet("/providers", services.GetRequiredService<ListProviders>().HandleAsync).RequireAuthorization(Policies.AnyKey);
    }
}
