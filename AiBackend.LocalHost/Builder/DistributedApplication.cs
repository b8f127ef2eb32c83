using System.Runtime.InteropServices;
using AiBackend.LocalHost.Supervision;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting;

/// <summary>A built application. Aspire runs it with containers and a dashboard; this host runs it as processes of this machine.</summary>
public sealed class DistributedApplication : IHost, IAsyncDisposable
{
    internal const string PublishingNeedsAspire =
        "publishing needs the Aspire packages, which this build does not use. Build with -p:UseAspire=true where they can be restored.";

    private readonly IHost _host;
    private readonly AppHostInterception? _interception;
    private readonly Supervisor _supervisor;

    internal DistributedApplication(IHost host, AppHostInterception? interception)
    {
        _host = host;
        _interception = interception;
        _supervisor = host.Services.GetRequiredService<Supervisor>();
    }

    public IServiceProvider Services => _host.Services;

    public ResourceNotificationService ResourceNotifications => Services.GetRequiredService<ResourceNotificationService>();

    internal IReadOnlyList<IResource> Resources => _supervisor.Resources;

    public static IDistributedApplicationBuilder CreateBuilder(string[] args) =>
        CreateBuilder(new DistributedApplicationOptions { Args = args });

    public static IDistributedApplicationBuilder CreateBuilder(DistributedApplicationOptions options) =>
        AppHostInterception.Current is { } interception ? interception.CreateBuilder(options) : CreateOwnBuilder(options);

    /// <summary>Starts everything, and stops it when asked to (Ctrl+C, SIGTERM) or when a part cannot be started.</summary>
    public void Run() => RunAsync().GetAwaiter().GetResult();

    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        if (_interception is not null)
        {
            await _interception.Ended;
            return;
        }

        using var stopAsked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var killNow = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal);
        try
        {
            await StartAsync(stopAsked.Token);
            await AnnounceAsync(stopAsked.Token);
        }
        catch (OperationCanceledException) when (stopAsked.IsCancellationRequested)
        {
            _supervisor.Output?.Say("stopping (ask again to end everything at once)");
        }
        catch (DistributedApplicationException e)
        {
            await Console.Error.WriteLineAsync($"error: {e.Message}");
            Environment.ExitCode = 1;
        }
        finally
        {
            await _supervisor.StopAsync(killNow.Token);
            await DisposeAsync();
        }

        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;

            // Asked twice, the person means now.
            (stopAsked.IsCancellationRequested ? killNow : stopAsked).Cancel();
        }
    }

    public Task StartAsync(CancellationToken cancellationToken = default) => _supervisor.StartAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken = default) => _supervisor.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _supervisor.DisposeAsync();
        _host.Dispose();
        _interception?.End();
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private static DistributedApplicationBuilder CreateOwnBuilder(DistributedApplicationOptions options)
    {
        // A mistake in a setting is for the person who made it, not for a debugger.
        AppDomain.CurrentDomain.UnhandledException += (_, unhandled) =>
        {
            if (unhandled.ExceptionObject is DistributedApplicationException e)
            {
                Console.Error.WriteLine($"error: {e.Message}");
                Environment.Exit(1);
            }
        };
        return new(options);
    }

    /// <summary>Says when all is up and where, then waits to be stopped. A part that cannot start stops the rest.</summary>
    private async Task AnnounceAsync(CancellationToken stopAsked)
    {
        if (await Task.WhenAny(_supervisor.Ready, _supervisor.Failed).WaitAsync(stopAsked) == _supervisor.Failed)
        {
            throw new DistributedApplicationException("not everything could be started; the lines above say what and why.");
        }

        var addresses =
            from resource in Resources.OfType<IResourceWithEndpoints>()
            from endpoint in resource.Endpoints()
            where endpoint.IsExternal
            select $"{resource.Name} {new EndpointReference(resource, endpoint.Name).Url}";
        _supervisor.Output?.Say($"ready: {string.Join(", ", addresses)}");
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stopAsked);
    }
}
