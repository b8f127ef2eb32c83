namespace AiBackend.Worker.Presence;

internal static class PresenceRegistration
{
    /// <summary>Adds what shows the others that this worker lives, and what finds those that do not.</summary>
    public static void AddPresence(this IHostApplicationBuilder builder)
    {
        builder.Services.AddHostedService<WorkerPresence>();
        builder.Services.AddHostedService<GoneWorkers>();
    }
}
