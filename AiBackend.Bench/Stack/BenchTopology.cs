using System.Globalization;
using AiBackend.Core.Tenancy;

namespace AiBackend.Bench.Stack;

/// <summary>The processes of a measurement and how they know each other.</summary>
internal static class BenchTopology
{
    public static void Describe(IDistributedApplicationBuilder builder, BenchOptions options, StackSettings settings, string keyFile)
    {
        var servers = BenchServers.Add(builder, options);
        var simulator = builder
            .AddProject<Projects.AiBackend_Simulator>("simulator")
            .WithHttpEndpoint()
            .WithHttpHealthCheck("/health/ready")
            .WithEnvironment("Simulator__CallLogSize", "100000");
        var migrations = servers
            .Connect(builder.AddProject<Projects.AiBackend_Worker>("migrations"))
            .WithArgs("migrate")
            .WithEnvironment(DevelopmentKey.FileVariable, keyFile);
        var api = servers
            .Connect(builder.AddProject<Projects.AiBackend_Api>("api"))
            .WithHttpEndpoint()
            .WithHttpHealthCheck("/health/live")
            .WithReference(simulator)
            .WithEnvironment("Bench__Noop", "true")
            .WaitForCompletion(migrations);
        var worker = servers
            .Connect(builder.AddProject<Projects.AiBackend_Worker>(BenchStack.WorkerName))
            .WithReplicas(settings.Workers)
            .WithReference(simulator)
            .WithEnvironment("Worker__MaxConcurrentJobs", settings.Slots.ToString(CultureInfo.InvariantCulture))
            .WaitForCompletion(migrations)
            .WaitFor(simulator);
        ConnectProviders(settings, simulator.GetEndpoint("http"), api, worker);
        SetAll(worker, settings.WorkerVariables);
        SetAll(api, settings.ApiVariables);

        if (settings.WithWeb)
        {
            builder
                .AddProject<Projects.AiBackend_Web>("web")
                .WithHttpEndpoint()
                .WithHttpHealthCheck("/health/live")
                .WithReference(api)
                .WithEnvironment(DevelopmentKey.FileVariable, keyFile)
                .WaitFor(api);
        }

        var direct = builder
            .AddExecutable(
                BenchStack.DirectName,
                Path.Combine(AppContext.BaseDirectory, "AiBackend.Bench"),
                AppContext.BaseDirectory,
                "serve-direct"
            )
            .WithHttpEndpoint()
            .WithHttpHealthCheck("/")
            .WithEnvironment("ASPNETCORE_ENVIRONMENT", "Development")
            .WithEnvironment("services__simulator__http__0", simulator.GetEndpoint("http"));
        direct.WithEnvironment("ASPNETCORE_URLS", direct.GetEndpoint("http"));
        foreach (var program in new[] { api, worker })
        {
            program.WithEnvironment("Logging__LogLevel__Default", "Warning");
        }
    }

    private static void SetAll(IResourceBuilder<ProjectResource> program, IReadOnlyDictionary<string, string> variables)
    {
        foreach (var (name, value) in variables)
        {
            program.WithEnvironment(name, value);
        }
    }

    private static void ConnectProviders(
        StackSettings settings,
        EndpointReference simulator,
        params IReadOnlyList<IResourceBuilder<ProjectResource>> programs
    )
    {
        foreach (var (i, (name, model)) in settings.WithProviders.Index())
        {
            var entry = string.Create(CultureInfo.InvariantCulture, $"AIBACKEND_PROVIDERS__{i}__");
            foreach (var program in programs)
            {
                program.WithEnvironment(entry + "NAME", name);
                program.WithEnvironment(entry + "MODEL", model);
                program.WithEnvironment(entry + "SIMULATED", "true");
                program.WithEnvironment(context => context.EnvironmentVariables[entry + "BASE_URL"] = new ApiAddress(simulator));
            }
        }
    }

    /// <summary>Where a server's API begins, once its port is known.</summary>
    private sealed class ApiAddress(EndpointReference server) : IValueProvider
    {
        public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) =>
            await server.GetValueAsync(cancellationToken) + "/v1";
    }
}
