using System.Reflection;
using AiBackend.LocalHost;
using AiBackend.LocalHost.Supervision;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting;

internal sealed class DistributedApplicationBuilder : IDistributedApplicationBuilder
{
    private readonly HostApplicationBuilder _host;
    private readonly ResourceCollection _resources = [];

    public DistributedApplicationBuilder(DistributedApplicationOptions options, Action<HostApplicationBuilderSettings>? configure = null)
    {
        AppHostAssembly = options.Assembly ?? Assembly.GetEntryAssembly();
        AppHostDirectory =
            AppHostAssembly?.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(a => a.Key == "apphostprojectpath")?.Value
            ?? Directory.GetCurrentDirectory();
        var settings = new HostApplicationBuilderSettings
        {
            Args = options.Args,
            ApplicationName = AppHostAssembly?.GetName().Name,
            ContentRootPath = AppHostDirectory,
            Configuration = new(),
        };
        // Nothing here reacts to a changed file, and every watcher takes one of few kernel handles.
        settings.Configuration.AddInMemoryCollection([new("hostBuilder:reloadConfigOnChange", "false")]);
        configure?.Invoke(settings);
        _host = new(settings);
        _host.Logging.ClearProviders();
        Configuration.AddInMemoryCollection(options.Defaults);
        Configuration.AddCommandLine(options.Args ?? []);
        if (Configuration["AppHost:Operation"] == "publish" || Configuration["operation"] == "publish")
        {
            throw new DistributedApplicationException(DistributedApplication.PublishingNeedsAspire);
        }

        Services.AddSingleton(new ResourceNotificationService());
        Services.AddSingleton(TimeProvider.System);
        Services.AddSingleton(provider => ApplicationSupervisor.Create(this, _resources, provider));
        Services.AddSingleton(provider => new ResourceProcesses(
            provider.GetRequiredService<Supervisor>(),
            provider.GetRequiredService<ResourceNotificationService>()
        ));
    }

    public Assembly? AppHostAssembly { get; }

    public string AppHostDirectory { get; }

    public ConfigurationManager Configuration => _host.Configuration;

    public IHostEnvironment Environment => _host.Environment;

    public IServiceCollection Services => _host.Services;

    public DistributedApplicationExecutionContext ExecutionContext { get; } = new();

    public IResourceCollection Resources => _resources;

    /// <summary>Set when a test drives the AppHost: the application is then built when the test says so, and started by it.</summary>
    internal Testing.AppHostInterception? Interception { get; init; }

    public IResourceBuilder<T> AddResource<T>(T resource)
        where T : IResource
    {
        if (_resources.Any(r => r.Name.Equals(resource.Name, StringComparison.OrdinalIgnoreCase)))
        {
            throw new DistributedApplicationException($"There is already a resource named '{resource.Name}'.");
        }

        _resources.Add(resource);
        return CreateResourceBuilder(resource);
    }

    public IResourceBuilder<T> CreateResourceBuilder<T>(T resource)
        where T : IResource => new ResourceBuilder<T>(this, resource);

    public DistributedApplication Build() => Interception is null ? BuildNow() : Interception.BuildWhenAsked(this);

    internal DistributedApplication BuildNow() => new(_host.Build(), Interception);
}
