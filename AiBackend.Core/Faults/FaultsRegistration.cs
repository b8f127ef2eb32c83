using System.Diagnostics;
using Microsoft.Extensions.Hosting;
#if FAULT_POINTS
using Microsoft.Extensions.DependencyInjection;
#endif

namespace AiBackend.Core.Faults;

/// <summary>Reads the plan of a test build.</summary>
public static class FaultsRegistration
{
    /// <summary>
    /// Arms the faults that <c>AIBACKEND_FAULT</c> names; each writes a line to the file that <c>AIBACKEND_FAULT_EVIDENCE</c> names
    /// before it happens. A wrong plan stops the process at its start.
    /// </summary>
    [Conditional(FaultPoints.Symbol)]
    public static void AddFaultPoints(this IHostApplicationBuilder builder)
    {
#if FAULT_POINTS
        if (builder.Configuration["AIBACKEND_FAULT"] is not { } text)
        {
            return;
        }

        var plan = FaultPlan.TryParse(text, out var problem);
        if (builder.Environment.IsProduction())
        {
            problem =
                "AIBACKEND_FAULT is set, and this is a test build, which dies where that says. Production runs a build of the configuration Release, without it.";
        }
        else if (plan is not null)
        {
            FaultPoints.Arm(plan, builder.Configuration["AIBACKEND_FAULT_EVIDENCE"]);
            return;
        }

        builder.Services.AddOptions<Unused>().Validate(_ => false, problem!).ValidateOnStart();
#endif
    }

#if FAULT_POINTS
    /// <summary>Carries the message to where wrong settings are told.</summary>
    private sealed class Unused;
#endif
}
