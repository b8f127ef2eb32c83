using AiBackend.Core.DeadLetters;
using AiBackend.Core.Operations;
using AiBackend.Core.Privacy;
using AiBackend.Core.Retention;
using AiBackend.Worker.Execution;
using AiBackend.Worker.Maintenance;
using AiBackend.Worker.Presence;
using AiBackend.Worker.Quarantine;

namespace AiBackend.Worker;

internal static class WorkRegistration
{
    /// <summary>Makes the process a worker, which may lead, or, when its arguments say so, one that runs suspects alone.</summary>
    public static void AddWork(this IHostApplicationBuilder builder, string[] args)
    {
        if (args is [QuarantineProgram.Command, ..])
        {
            builder.AddQuarantine();
            return;
        }

        builder.AddDeadLetterMaintenance();
        builder.AddQueueGauges();
        builder.AddRetention();
        builder.AddPrivacyMaintenance();
        builder.AddMaintenance();
        builder.AddQuarantineProcesses(args);
        builder.AddPresence();
        builder.AddJobExecution();
    }
}
