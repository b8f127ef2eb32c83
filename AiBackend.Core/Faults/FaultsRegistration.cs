using System.Diagnostics;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Faults;

/// <summary>Reads the plan of a test build.</summary>
public static class FaultsRegistration
{
    /// <summary>
    /// Arms the faults that <c>AIBACKEND_FAULT</c> names; each writes a line to the file that <c>AIBACKEND_FAULT_EVIDENCE</c> names
    /// before it happens. A wrong plan stops the process at its start, and so does Production, with a plan or without: whoever sets a
    /// variable of the process later could end it where he likes.
    /// </summary>
    /// <param name="builder">The program.</param>
    /// <param name="refuse">Has the program end at its start with this reason.</param>
    [Conditional(FaultPoints.Symbol)]
    public static void AddFaultPoints(this IHostApplicationBuilder builder, Action<string> refuse)
    {
#if FAULT_POINTS
        if (builder.Environment.IsProduction())
        {
            refuse(
                "This is a test build, which dies where AIBACKEND_FAULT says. Production runs a build of the configuration Release (dotnet publish makes one), which has no fault points."
            );
        }
        else if (builder.Configuration["AIBACKEND_FAULT"] is { } text)
        {
            if (FaultPlan.TryParse(text, out var problem) is { } plan)
            {
                FaultPoints.Arm(plan, builder.Configuration["AIBACKEND_FAULT_EVIDENCE"]);
            }
            else
            {
                refuse(problem!);
            }
        }
#endif
    }
}
