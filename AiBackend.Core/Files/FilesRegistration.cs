using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Files;

/// <summary>Registers files of tenants.</summary>
public static class FilesRegistration
{
    /// <summary>Adds <see cref="FileStore"/>.</summary>
    public static void AddFiles(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<FilesOptions>().BindConfiguration(FilesOptions.SectionName).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<FileStore>();
    }
}
