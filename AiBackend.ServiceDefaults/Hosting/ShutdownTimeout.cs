using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>How long a stopping process may take to hand its work back.</summary>
internal static class ShutdownTimeout
{
    private static readonly TimeSpan AtADesk = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan InService = TimeSpan.FromSeconds(30);

    public static void AddShutdownTimeout(this IHostApplicationBuilder builder)
    {
        // The host's own setting (DOTNET_SHUTDOWNTIMEOUTSECONDS) stands when an operator made one.
        if (builder.Configuration["shutdownTimeoutSeconds"] is null)
        {
            var timeout = builder.Environment.IsDevelopment() ? AtADesk : InService;
            builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = timeout);
        }
    }
}
