using System.Globalization;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>An address a resource listens on. There is no proxy here: the process binds the public port itself.</summary>
public sealed class EndpointAnnotation(string name, string uriScheme, int? port) : IResourceAnnotation
{
    public string Name { get; } = name;

    public string UriScheme { get; } = uriScheme;

    /// <summary>The wanted port; null takes a free one at start.</summary>
    public int? Port { get; } = port;

    public string TargetHost { get; init; } = "localhost";

    public bool IsExternal { get; set; }

    internal int? AllocatedPort { get; set; }
}

public sealed class EndpointReference : IValueProvider
{
    internal EndpointReference(IResourceWithEndpoints resource, string endpointName)
    {
        Resource = resource;
        EndpointName = endpointName;
    }

    public IResourceWithEndpoints Resource { get; }

    public string EndpointName { get; }

    public bool Exists => Find() is not null;

    public bool IsAllocated => Find()?.AllocatedPort is not null;

    public string Scheme => Annotation.UriScheme;

    public string Host => Annotation.TargetHost;

    public int Port =>
        Annotation.AllocatedPort
        ?? throw new InvalidOperationException(
            $"Endpoint '{EndpointName}' of '{Resource.Name}' has a port only after the application was started."
        );

    public string Url => string.Create(CultureInfo.InvariantCulture, $"{Scheme}://{Host}:{Port}");

    private EndpointAnnotation Annotation =>
        Find() ?? throw new InvalidOperationException($"Resource '{Resource.Name}' has no endpoint named '{EndpointName}'.");

    public ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) => new(Url);

    private EndpointAnnotation? Find() =>
        Resource.Endpoints().FirstOrDefault(e => e.Name.Equals(EndpointName, StringComparison.OrdinalIgnoreCase));
}
