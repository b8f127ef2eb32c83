using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Cache;

/// <summary>Registers shared answers.</summary>
public static class CacheRegistration
{
    /// <summary>Adds <see cref="SharedAnswers"/>: the worker's side.</summary>
    public static void AddSharedAnswers(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<CacheOptions>().BindConfiguration(CacheOptions.SectionName).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<SharedAnswers>();
    }
}
