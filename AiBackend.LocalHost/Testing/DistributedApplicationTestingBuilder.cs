using AiBackend.LocalHost;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Testing;

/// <summary>Starts an AppHost inside a test: own temporary state directory, free ports, no console.</summary>
public static class DistributedApplicationTestingBuilder
{
    public static Task<IDistributedApplicationTestingBuilder> CreateAsync<TEntryPoint>(CancellationToken cancellationToken = default)
        where TEntryPoint : class => CreateAsync(typeof(TEntryPoint), [], null, cancellationToken);

    public static Task<IDistributedApplicationTestingBuilder> CreateAsync<TEntryPoint>(
        string[] args,
        CancellationToken cancellationToken = default
    )
        where TEntryPoint : class => CreateAsync(typeof(TEntryPoint), args, null, cancellationToken);

    public static Task<IDistributedApplicationTestingBuilder> CreateAsync<TEntryPoint>(
        string[] args,
        Action<DistributedApplicationOptions, HostApplicationBuilderSettings> configureBuilder,
        CancellationToken cancellationToken = default
    ) => CreateAsync(typeof(TEntryPoint), args, configureBuilder, cancellationToken);

    private static async Task<IDistributedApplicationTestingBuilder> CreateAsync(
        Type entryPoint,
        string[] args,
        Action<DistributedApplicationOptions, HostApplicationBuilderSettings>? configureBuilder,
        CancellationToken cancellationToken
    )
    {
        await TemporaryState.SweepAsync(cancellationToken);
        var interception = new AppHostInterception(entryPoint.Assembly, args, TemporaryState.NewPath(), configureBuilder);
        return new TestingBuilder(await interception.DescribeAsync(cancellationToken), interception);
    }
}
