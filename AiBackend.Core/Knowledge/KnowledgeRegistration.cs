using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Knowledge;

/// <summary>Registers texts that answers may rest on.</summary>
public static class KnowledgeRegistration
{
    /// <summary>Adds <see cref="KnowledgeStore"/>.</summary>
    public static void AddKnowledge(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<KnowledgeOptions>()
            .BindConfiguration(KnowledgeOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.TryAddSingleton<KnowledgeStore>();
    }
}
