using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>Ends a program at its start, with its reason where wrong settings are told.</summary>
public static class StartRefusal
{
    /// <param name="builder">The program.</param>
    /// <param name="problem">Why it does not start, and the remedy.</param>
    public static void RefuseStart(this IHostApplicationBuilder builder, string problem) =>
        builder.Services.AddOptions<Refused>().Validate(_ => false, problem).ValidateOnStart();

    /// <summary>Carries the message.</summary>
    internal sealed class Refused;
}
