namespace AiBackend.AppHost;

/// <summary>What every program of the product stands on.</summary>
internal sealed record Foundation(
    IResourceBuilder<PostgresDatabaseResource> Database,
    IResourceBuilder<RedisResource> Redis,
    IResourceBuilder<ProjectResource> Simulator,
    IResourceBuilder<ProjectResource> Migrations
);

internal static class FoundationExtensions
{
    private const string DevelopmentKeyFile = "AIBACKEND_DEV_KEY_FILE";

    /// <summary>Gives the program its connections and settings, and starts it when the schema is in place and Redis answers.</summary>
    public static IResourceBuilder<ProjectResource> WithFoundation(this IResourceBuilder<ProjectResource> program, Foundation foundation) =>
        program
            .WithReference(foundation.Database)
            .WithReference(foundation.Redis)
            .WithReference(foundation.Simulator)
            .WithProviders()
            .WithDevelopmentKeyFile()
            .WaitFor(foundation.Redis)
            .WaitFor(foundation.Simulator)
            .WaitForCompletion(foundation.Migrations);

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
