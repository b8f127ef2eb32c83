using AiBackend.Core.Admission;
using AiBackend.Core.Cache;
using AiBackend.Core.Controls;
using AiBackend.Core.Database;
using AiBackend.Core.Events;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Core.Routing;
using AiBackend.ServiceDefaults;
using AiBackend.ServiceDefaults.Hosting;
using AiBackend.Worker.Migration;

namespace AiBackend.Worker;

/// <summary>The worker, and what brings the schema up to date before it starts.</summary>
internal static class WorkerProgram
{
    public static async Task<int> RunAsync(string[] args)
    {
        var builder = Host.CreateApplicationBuilder(args);
        builder.AddServiceDefaults();
        builder.AddFaultPoints(builder.RefuseStart);

        // The same program, run to completion before the others start, brings the schema up to date.
        if (args is ["migrate", ..])
        {
            builder.AddDatabase(DatabaseRole.Owner);
            return await MigrationRun.RunAsync(builder);
        }

        builder.AddDatabase(DatabaseRole.Worker);
        builder.AddRedis();
        builder.AddQueue();
        builder.AddJobSignals();
        builder.AddJobLeases();
        builder.AddAdmission();
        builder.AddRouting();
        builder.AddHeldProviders();
        builder.AddProviders();
        builder.AddSharedAnswers();
        builder.AddWork(args);
        return await ProgramRun.RunAsync(builder.Build);
    }
}
