using Microsoft.Extensions.DependencyInjection;

namespace AiBackend.Core.Prompts;

/// <summary>Registers stored prompts.</summary>
public static class PromptsRegistration
{
    /// <summary>Adds what keeps and finds them.</summary>
    public static IServiceCollection AddPrompts(this IServiceCollection services) =>
        services.AddSingleton<PromptStore>().AddSingleton<PromptLabels>().AddSingleton<PromptReads>().AddSingleton<PromptStatisticsReads>();
}
