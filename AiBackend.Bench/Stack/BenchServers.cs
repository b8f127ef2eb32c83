namespace AiBackend.Bench.Stack;

/// <summary>Postgres and Redis: our own, or those the command line names so that peers can be measured on the same ones.</summary>
internal sealed record BenchServers(
    IResourceBuilder<PostgresDatabaseResource>? Postgres,
    IResourceBuilder<RedisResource>? Redis,
    BenchOptions Options
)
{
    // What another round left in a borrowed Redis is nobody's here.
    private readonly string _keyPrefix = $"bench-{Guid.CreateVersion7():N}"[..20];

    public static BenchServers Add(IDistributedApplicationBuilder builder, BenchOptions options) =>
        new(
            options.Postgres is null
                ? builder.AddPostgres("postgres").WithArgs("-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB").AddDatabase("aibackend")
                : null,
            options.Redis is null ? builder.AddRedis("redis") : null,
            options
        );

    public IResourceBuilder<ProjectResource> Connect(IResourceBuilder<ProjectResource> program)
    {
        program = Postgres is null
            ? program.WithEnvironment("ConnectionStrings__aibackend", Options.Postgres)
            : program.WithReference(Postgres).WaitFor(Postgres);
        return Redis is null
            ? program.WithEnvironment("ConnectionStrings__redis", Options.Redis).WithEnvironment("Redis__KeyPrefix", _keyPrefix)
            : program.WithReference(Redis).WaitFor(Redis);
    }
}
