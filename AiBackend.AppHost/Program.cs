using AiBackend.AppHost;

var builder = DistributedApplication.CreateBuilder(args);

if (builder.ExecutionContext.IsPublishMode)
{
    // Without the dashboard, which shows logs and traces: it is for desks, where its address is this machine's and it wants a token.
    builder.AddDockerComposeEnvironment("compose").WithDashboard(false);
}

var database = builder.AddPostgres("postgres").WithDataVolume().AddDatabase("aibackend");
var redis = builder.AddRedis("redis").WithDataVolume().WithPersistence();
var simulator = builder.AddSimulator();

var migrations = builder
    .AddProject<Projects.AiBackend_Worker>("migrations")
    .WithArgs("migrate")
    .WithReference(database)
    .WithDevelopmentKeyFile()
    .WaitFor(database);

var foundation = new Foundation(database, redis, simulator, migrations);

var api = builder
    .AddProject<Projects.AiBackend_Api>("api")
    .WithPublicPort("AIBACKEND_API_PORT", 5080)
    .WithHttpHealthCheck("/health/ready")
    .WithFoundation(foundation);

builder.AddProject<Projects.AiBackend_Worker>("worker").WithReplicas(WorkerCount.Of(builder)).WithFoundation(foundation);

builder
    .AddProject<Projects.AiBackend_Web>("web")
    .WithPublicPort("AIBACKEND_WEB_PORT", 5081)
    .WithHttpHealthCheck("/health/ready")
    .WithDevelopmentKeyFile()
    .WithReference(api)
    .WaitFor(api);

await builder.Build().RunAsync();
