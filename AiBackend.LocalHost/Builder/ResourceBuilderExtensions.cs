using System.Globalization;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting;

public static class ResourceBuilderExtensions
{
    public static IResourceBuilder<T> WithEnvironment<T>(this IResourceBuilder<T> builder, string name, string? value)
        where T : IResourceWithEnvironment => builder.WithEnvironment(context => context.EnvironmentVariables[name] = value ?? "");

    public static IResourceBuilder<T> WithEnvironment<T>(this IResourceBuilder<T> builder, string name, EndpointReference endpointReference)
        where T : IResourceWithEnvironment => builder.WithEnvironment(context => context.EnvironmentVariables[name] = endpointReference);

    public static IResourceBuilder<T> WithEnvironment<T>(
        this IResourceBuilder<T> builder,
        string name,
        IResourceBuilder<ParameterResource> parameter
    )
        where T : IResourceWithEnvironment => builder.WithEnvironment(context => context.EnvironmentVariables[name] = parameter.Resource);

    public static IResourceBuilder<T> WithEnvironment<T>(this IResourceBuilder<T> builder, Action<EnvironmentCallbackContext> callback)
        where T : IResourceWithEnvironment => builder.WithAnnotation(new EnvironmentCallbackAnnotation(callback));

    public static IResourceBuilder<T> WithArgs<T>(this IResourceBuilder<T> builder, params string[] args)
        where T : IResourceWithArgs => builder.WithAnnotation(new ArgumentsAnnotation(args));

    /// <summary>Gives the process <c>ConnectionStrings__{name}</c> and the parts of it as <c>{NAME}_{PART}</c>.</summary>
    public static IResourceBuilder<TDestination> WithReference<TDestination>(
        this IResourceBuilder<TDestination> builder,
        IResourceBuilder<IResourceWithConnectionString> source,
        string? connectionName = null,
        bool optional = false
    )
        where TDestination : IResourceWithEnvironment
    {
        _ = optional;
        var resource = source.Resource;
        var name = connectionName ?? resource.Name;
        return builder.WithEnvironment(context =>
        {
            context.EnvironmentVariables[resource.ConnectionStringEnvironmentVariable ?? $"ConnectionStrings__{name}"] = resource;
            foreach (var (property, value) in (resource as IResourceWithConnectionProperties)?.ConnectionProperties ?? [])
            {
                context.EnvironmentVariables[$"{Encode(name)}_{property.ToUpperInvariant()}"] = value;
            }
        });
    }

    /// <summary>Gives the process the addresses of another: <c>services__{name}__{scheme}__{i}</c> and <c>{NAME}_{ENDPOINT}</c>.</summary>
    public static IResourceBuilder<TDestination> WithReference<TDestination>(
        this IResourceBuilder<TDestination> builder,
        IResourceBuilder<IResourceWithServiceDiscovery> source
    )
        where TDestination : IResourceWithEnvironment
    {
        var resource = source.Resource;
        return builder.WithEnvironment(context =>
        {
            foreach (var group in resource.Endpoints().GroupBy(e => e.Name is "http" or "https" ? e.UriScheme : e.Name))
            {
                foreach (var (i, endpoint) in group.Index())
                {
                    var reference = new EndpointReference(resource, endpoint.Name);
                    var key = string.Create(CultureInfo.InvariantCulture, $"services__{resource.Name}__{group.Key}__{i}");
                    context.EnvironmentVariables[key] = reference;
                    context.EnvironmentVariables[$"{Encode(resource.Name)}_{Encode(endpoint.Name)}"] = reference;
                }
            }
        });
    }

    public static EndpointReference GetEndpoint<T>(this IResourceBuilder<T> builder, string name)
        where T : IResourceWithEndpoints => new(builder.Resource, name);

    /// <remarks><paramref name="targetPort"/>, <paramref name="env"/> and <paramref name="isProxied"/> have no meaning without a proxy.</remarks>
    public static IResourceBuilder<T> WithHttpEndpoint<T>(
        this IResourceBuilder<T> builder,
        int? port = null,
        int? targetPort = null,
        string? name = null,
        string? env = null,
        bool? isProxied = null
    )
        where T : IResourceWithEndpoints
    {
        if (targetPort is not null || env is not null || isProxied is not null)
        {
            throw new NotSupportedException("WithHttpEndpoint takes only port and name here: there is no proxy between the two ports.");
        }

        var endpoint = new EndpointAnnotation(name ?? "http", "http", port);
        return builder.Resource.Endpoints().Any(e => e.Name.Equals(endpoint.Name, StringComparison.OrdinalIgnoreCase))
            ? throw new DistributedApplicationException(
                $"Resource '{builder.Resource.Name}' already has an endpoint named '{endpoint.Name}', perhaps from its launch profile's applicationUrl."
            )
            : builder.WithAnnotation(endpoint);
    }

    public static IResourceBuilder<T> WithExternalHttpEndpoints<T>(this IResourceBuilder<T> builder)
        where T : IResourceWithEndpoints
    {
        foreach (var endpoint in builder.Resource.Endpoints())
        {
            endpoint.IsExternal = true;
        }

        return builder;
    }

    public static IResourceBuilder<T> WithHttpHealthCheck<T>(
        this IResourceBuilder<T> builder,
        string? path = null,
        int? statusCode = null,
        string? endpointName = null
    )
        where T : IResourceWithEndpoints =>
        builder.WithAnnotation(new HttpHealthCheckAnnotation(path ?? "/", statusCode ?? 200, endpointName));

    public static IResourceBuilder<T> WaitFor<T>(this IResourceBuilder<T> builder, IResourceBuilder<IResource> dependency)
        where T : IResourceWithWaitSupport => builder.WaitFor(dependency, WaitBehavior.StopOnResourceUnavailable);

    public static IResourceBuilder<T> WaitFor<T>(
        this IResourceBuilder<T> builder,
        IResourceBuilder<IResource> dependency,
        WaitBehavior waitBehavior
    )
        where T : IResourceWithWaitSupport => AddWait(builder, dependency.Resource, WaitType.UntilHealthy, waitBehavior);

    public static IResourceBuilder<T> WaitForCompletion<T>(
        this IResourceBuilder<T> builder,
        IResourceBuilder<IResource> dependency,
        int exitCode = 0
    )
        where T : IResourceWithWaitSupport =>
        AddWait(builder, dependency.Resource, WaitType.ForCompletion, WaitBehavior.StopOnResourceUnavailable, exitCode);

    private static IResourceBuilder<T> AddWait<T>(
        IResourceBuilder<T> builder,
        IResource dependency,
        WaitType type,
        WaitBehavior behavior,
        int exitCode = 0
    )
        where T : IResource
    {
        if (ReferenceEquals(builder.Resource, dependency) || (builder.Resource as IResourceWithParent)?.Parent == dependency)
        {
            throw new DistributedApplicationException($"Resource '{builder.Resource.Name}' cannot wait for itself or for its own parent.");
        }

        return builder.WithAnnotation(new WaitAnnotation(dependency, type, behavior, exitCode));
    }

    private static string Encode(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_'));
}
