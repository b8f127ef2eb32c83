using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>Runs a program to its end, and tells a wrong setting in its own words instead of a stack trace.</summary>
public static class ProgramRun
{
    private const int WrongSettings = 1;

    /// <summary>Creates the host, checks every setting at once, and runs it.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(Func<IHost> create)
    {
        try
        {
            using var host = create();
            host.Services.GetService<IStartupValidator>()?.Validate();
            await host.RunAsync();
            return 0;
        }
        catch (OptionsValidationException invalid)
        {
            return Explain(invalid);
        }
        catch (AggregateException several) when (several.InnerExceptions.All(inner => inner is OptionsValidationException))
        {
            return Explain([.. several.InnerExceptions.Cast<OptionsValidationException>()]);
        }
    }

    private static int Explain(params OptionsValidationException[] faults)
    {
        foreach (var failure in faults.SelectMany(fault => fault.Failures))
        {
            Console.Error.WriteLine("error: " + failure);
        }

        return WrongSettings;
    }
}
