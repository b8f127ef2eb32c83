namespace AiBackend.AppHost;

/// <summary>What every program of the product stands on.</summary>
internal sealed record Foundation(
    IResourceBuilder<PostgresDatabaseResource> Database,
    IResourceBuilder<RedisResource> Redis,
    IResourceBuilder<ProjectResource>? Simulator,
    IResourceBuilder<ProjectResource> Migrations
);

internal static class FoundationExtensions
{
    private const string DevelopmentKeyFile = "AIBACKEND_DEV_KEY_FILE";

    /// <returns>Null where it publishes: what runs there asks real providers, and the simulator does not run in Production.</returns>
    public static IResourceBuilder<ProjectResource>? AddSimulator(this IDistributedApplicationBuilder application) =>
        application.ExecutionContext.IsRunMode
            ? application.AddProject<Projects.AiBackend_Simulator>("simulator").WithHttpEndpoint().WithHttpHealthCheck("/health/ready")
            : null;

    /// <summary>Gives the program its connections and settings, and starts it when the schema is in place and Redis answers.</summary>
    public static IResourceBuilder<ProjectResource> WithFoundation(this IResourceBuilder<ProjectResource> program, Foundation foundation)
    {
        if (foundation.Simulator is { } simulator)
        {
            program.WithReference(simulator).WaitFor(simulator);
        }

        return program
            .WithReference(foundation.Database)
            .WithReference(foundation.Redis)
            .WithProviders()
            .WithDevelopmentKeyFile()
            .WaitFor(foundation.Redis)
            .WaitForCompletion(foundation.Migrations);
    }

    /// <summary>
    /// Names the file the migrations write the development key to. A published application has no such key, so no such file.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithDevelopmentKeyFile(this IResourceBuilder<ProjectResource> program)
    {
        var application = program.ApplicationBuilder;
        if (!application.ExecutionContext.IsRunMode)
        {
            return program;
        }

        var root = Path.GetFullPath("..", application.AppHostDirectory);
        var given = application.Configuration["AIBACKEND_STATE_DIR"];
        var state = Path.GetFullPath(string.IsNullOrEmpty(given) ? ".local" : given, root);
        return program.WithEnvironment(DevelopmentKeyFile, Path.Combine(state, "dev-api-key"));
    }
}
