using Microsoft.Extensions.Configuration;

namespace AiBackend.AppHost;

/// <summary>
/// The variables by which a user names model providers, handed from the AppHost's own environment to the programs that need them.
/// Published, their values are parameters, so that no key is written into the deployment's files.
/// </summary>
internal static class ProviderVariables
{
    private const string ManyProviders = "AIBACKEND_PROVIDERS";
    private static readonly string[] OneProvider =
    [
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_MODEL",
    ];

    public static IResourceBuilder<ProjectResource> WithProviders(this IResourceBuilder<ProjectResource> program)
    {
        var application = program.ApplicationBuilder;
        foreach (var (name, value) in Given(application.Configuration))
        {
            if (application.ExecutionContext.IsRunMode)
            {
                program.WithEnvironment(name, value);
            }
            else
            {
                program.WithEnvironment(name, Parameter(application, name));
            }
        }

        return program;
    }

    private static IEnumerable<(string Name, string Value)> Given(ConfigurationManager configuration) =>
        from entry in OneProvider
            .Select(n => KeyValuePair.Create(n, configuration[n]))
            .Concat(configuration.GetSection(ManyProviders).AsEnumerable())
        where !string.IsNullOrEmpty(entry.Value)
        select (entry.Key.Replace(":", "__", StringComparison.Ordinal), entry.Value);

    private static IResourceBuilder<ParameterResource> Parameter(IDistributedApplicationBuilder application, string variable)
    {
        var name = variable.ToLowerInvariant().Replace("__", "-", StringComparison.Ordinal).Replace('_', '-');
        return application.Resources.OfType<ParameterResource>().FirstOrDefault(p => p.Name == name) is { } known
            ? application.CreateResourceBuilder(known)
            : application.AddParameter(name, secret: true);
    }
}
