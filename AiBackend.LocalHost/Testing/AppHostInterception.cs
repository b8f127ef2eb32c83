using System.Reflection;
using AiBackend.LocalHost.Supervision;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Testing;

/// <summary>
/// Lets a test drive an AppHost's own <c>Main</c>, which runs on a thread of its own: the builder it creates takes the test's
/// options, its <c>Build()</c> waits until the test asks for the application, and its <c>Run()</c> until the test is done with it.
/// </summary>
internal sealed class AppHostInterception(
    Assembly appHost,
    string[] args,
    string stateDirectory,
    Action<DistributedApplicationOptions, HostApplicationBuilderSettings>? configure
)
{
    private static readonly AsyncLocal<AppHostInterception?> Ambient = new();

    private readonly TaskCompletionSource<DistributedApplicationBuilder> _described = NewSource<DistributedApplicationBuilder>();
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<DistributedApplication> _built = NewSource<DistributedApplication>();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static AppHostInterception? Current => Ambient.Value;

    /// <summary>Completes when the test disposes of the application.</summary>
    public Task Ended => _ended.Task;

    public string StateDirectory => stateDirectory;

    /// <summary>Runs the entry point until it has described the application and asks for it to be built.</summary>
    public Task<DistributedApplicationBuilder> DescribeAsync(CancellationToken cancellationToken)
    {
        _ = Task.Factory.StartNew(RunEntryPoint, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return _described.Task.WaitAsync(cancellationToken);
    }

    public Task<DistributedApplication> BuildAsync(CancellationToken cancellationToken)
    {
        _asked.TrySetResult();
        return _built.Task.WaitAsync(cancellationToken);
    }

    public IDistributedApplicationBuilder CreateBuilder(DistributedApplicationOptions options)
    {
        options.Args = [.. options.Args ?? [], .. args];
        options.Assembly = appHost;
        options.DisableDashboard = true;
        options.Defaults = new Dictionary<string, string?>
        {
            [HostSettings.StateDirectoryKey] = stateDirectory,
            [HostSettings.RandomizePortsKey] = "true",
            [HostSettings.ConsoleKey] = "false",
        };
        return new DistributedApplicationBuilder(options, settings => configure?.Invoke(options, settings)) { Interception = this };
    }

    public DistributedApplication BuildWhenAsked(DistributedApplicationBuilder builder)
    {
        _described.TrySetResult(builder);
        _asked.Task.GetAwaiter().GetResult();
        var application = builder.BuildNow();
        _built.TrySetResult(application);
        return application;
    }

    public void End()
    {
        _asked.TrySetResult();
        _ended.TrySetResult();
    }

    private void RunEntryPoint()
    {
        Ambient.Value = this;
        try
        {
            var main = appHost.EntryPoint ?? throw new ArgumentException($"{appHost.GetName().Name} has no entry point.", nameof(appHost));
            var result = main.Invoke(null, main.GetParameters().Length == 0 ? [] : [Array.Empty<string>()]);
            (result as Task)?.GetAwaiter().GetResult();
            throw new DistributedApplicationException($"{appHost.GetName().Name} ended without building an application.");
        }
        catch (Exception e)
        {
            // The thread has no caller; whoever waits for its results is told.
            var reason = e is TargetInvocationException { InnerException: { } inner } ? inner : e;
            _described.TrySetException(reason);
            _built.TrySetException(reason);
        }
    }

    private static TaskCompletionSource<T> NewSource<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
