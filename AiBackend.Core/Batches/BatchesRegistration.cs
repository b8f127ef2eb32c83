using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Batches;

/// <summary>Registers batches.</summary>
public static class BatchesRegistration
{
    /// <summary>Adds <see cref="BatchStore"/>, <see cref="BatchSteps"/> and <see cref="PruneBatches"/>.</summary>
    public static void AddBatches(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<BatchesOptions>()
            .BindConfiguration(BatchesOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<BatchStore>().AddSingleton<BatchSteps>().AddSingleton<PruneBatches>();
    }
}
