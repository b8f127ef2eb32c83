using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Batches;

/// <summary>Registers batches.</summary>
public static class BatchesRegistration
{
    /// <summary>Adds <see cref="BatchStore"/> and <see cref="BatchSteps"/>.</summary>
    public static void AddBatches(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<BatchStore>().AddSingleton<BatchSteps>();
}
