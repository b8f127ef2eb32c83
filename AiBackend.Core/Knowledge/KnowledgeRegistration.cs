using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Knowledge;

/// <summary>Registers texts that answers may rest on.</summary>
public static class KnowledgeRegistration
{
    /// <summary>Adds <see cref="KnowledgeStore"/>, <see cref="KnowledgeSearch"/> and what makes vectors, if anything does.</summary>
    public static void AddKnowledge(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<KnowledgeOptions>()
            .BindConfiguration(KnowledgeOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.TryAddSingleton<KnowledgeStore>();
        builder.Services.TryAddSingleton<KnowledgeVectors>();
        builder.Services.TryAddSingleton<KnowledgeSearch>();
        builder.Services.TryAddSingleton<EmbedPassages>();
        builder.Services.TryAddSingleton<ITextVectors>(services =>
            string.IsNullOrWhiteSpace(services.GetRequiredService<IOptions<KnowledgeOptions>>().Value.EmbeddingModel)
                ? new NoTextVectors()
                : ActivatorUtilities.CreateInstance<ProviderVectors>(services)
        );
    }
}
