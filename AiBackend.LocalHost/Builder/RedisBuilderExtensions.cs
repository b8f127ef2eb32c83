using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting;

public static class RedisBuilderExtensions
{
    public static IResourceBuilder<RedisResource> AddRedis(
        this IDistributedApplicationBuilder builder,
        string name,
        int? port = null,
        IResourceBuilder<ParameterResource>? password = null
    )
    {
        if (password is not null)
        {
            throw new NotSupportedException($"Give no password parameter: configure Parameters:{name}-password, or let one be generated.");
        }

        return builder
            .AddResource(new RedisResource(name))
            .WithAnnotation(new EndpointAnnotation(ContainerResource.TcpEndpoint, "tcp", port) { TargetHost = "127.0.0.1" });
    }

    /// <summary>No effect: data always lives under the state directory.</summary>
    public static IResourceBuilder<RedisResource> WithDataVolume(
        this IResourceBuilder<RedisResource> builder,
        string? name = null,
        bool isReadOnly = false
    ) => builder;

    /// <summary>No effect: every write is always appended to a log that is flushed each second.</summary>
    public static IResourceBuilder<RedisResource> WithPersistence(
        this IResourceBuilder<RedisResource> builder,
        TimeSpan? interval = null,
        long keysChangedThreshold = 1
    ) => builder;
}
