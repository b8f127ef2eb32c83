using AiBackend.Core.Contracts;
using Microsoft.Extensions.DependencyInjection;

namespace AiBackend.Core.Workflows;

/// <summary>Registers workflows.</summary>
public static class WorkflowsRegistration
{
    /// <summary>Adds definitions, and what became of runs.</summary>
    public static IServiceCollection AddWorkflows(this IServiceCollection services) =>
        services
            .AddOutputContracts()
            .AddSingleton<WorkflowBounds>()
            .AddSingleton<WorkflowStore>()
            .AddSingleton<RunStepStore>()
            .AddSingleton<OpenSteps>();
}
