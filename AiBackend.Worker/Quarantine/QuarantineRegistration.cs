using AiBackend.Worker.Execution;

namespace AiBackend.Worker.Quarantine;

internal static class QuarantineRegistration
{
    /// <summary>Lets a worker start quarantine processes when it leads.</summary>
    public static void AddQuarantineProcesses(this IHostApplicationBuilder builder, IReadOnlyList<string> arguments) =>
        builder.Services.AddSingleton(new QuarantineProgram(arguments));

    /// <summary>Adds what runs suspects one at a time: the whole of a quarantine process.</summary>
    public static void AddQuarantine(this IHostApplicationBuilder builder)
    {
        ParentWatch.StandApart();
        builder.AddAttempts();
        builder.Services.AddSingleton(WorkerIdentity.InQuarantine(Guid.Parse(builder.Configuration[QuarantineProgram.WorkerId]!)));
        builder.Services.PostConfigure<WorkerOptions>(options =>
            (options.MaxConcurrentJobs, options.Pools, options.PooledSlots) = (1, "", 0)
        );
        // A suspect is given back at once: what remains of the parent's own time to stop may be short.
        builder.Services.PostConfigure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(4));

        // Hosted services stop in reverse order: the intake gives its job back while its lease is still renewed.
        builder.Services.AddHostedService<LeaseKeeper>();
        builder.Services.AddHostedService<CancelWatch>();
        builder.Services.AddHostedService<QuarantineIntake>();
        builder.Services.AddHostedService<ParentWatch>();
    }
}
