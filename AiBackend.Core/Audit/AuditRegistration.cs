using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Audit;

/// <summary>Registers the audit log.</summary>
public static class AuditRegistration
{
    /// <summary>Adds reading it, and writing down what was refused: the Api's side.</summary>
    public static void AddAudit(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<AuditLog>().AddSingleton<DroppedNotes>().AddSingleton<RefusedActs>();
        builder.Services.AddHostedService(services => services.GetRequiredService<RefusedActs>());
        builder.Services.AddSingleton<ForeignAttempts>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ForeignAttempts>());
    }
}
