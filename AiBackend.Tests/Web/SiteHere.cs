using System.Collections.Concurrent;
using System.Diagnostics;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Shell;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiBackend.Tests.Web;

/// <summary>The site, by its own entry point, in this process: it can be asked what it can be asked.</summary>
internal sealed class SiteHere : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>, IAsyncDisposable
{
    // Hosts of other tests are built in this process too; whoever builds this one knows whose it is.
    private static readonly AsyncLocal<SiteHere?> Builds = new();

    private readonly TaskCompletionSource<IHost> _built = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Also of hosts that others build meanwhile.
    private readonly ConcurrentQueue<IDisposable> _watches = [];
    private readonly string _keys = TestFolder.Create("page-keys");
    private IHost _host = null!;
    private Task _run = Task.CompletedTask;

    private SiteHere() { }

    public Uri Address { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public IReadOnlyList<Endpoint> Endpoints => _host.Services.GetRequiredService<EndpointDataSource>().Endpoints;

    public static async Task<SiteHere> StartAsync(string environment, Uri api, params IEnumerable<(string Name, string Value)> settings)
    {
        var site = new SiteHere();
        site._watches.Enqueue(DiagnosticListener.AllListeners.Subscribe(site));
        string[] args =
        [
            "--urls=http://127.0.0.1:0",
            $"--environment={environment}",
            "--applicationName=AiBackend.Web",
            $"--contentRoot={AppContext.BaseDirectory}",
            "--Logging:LogLevel:Default=Error",
            "--AllowedHosts=127.0.0.1;localhost",
            $"--services:api:http:0={api}",
            $"--PageKeys:Folder={site._keys}",
            "--PageKeys:Plain=true",
            .. settings.Select(setting => $"--{setting.Name}={setting.Value}"),
        ];
        site._run = Task.Factory.StartNew(
            () =>
            {
                Builds.Value = site;
                typeof(CircuitOptions).Assembly.EntryPoint!.Invoke(null, [args]);
            },
            TestRun.Cancel,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default
        );
        var first = await Task.WhenAny(site._built.Task, site._run);
        await first;
        site._host = await site._built.Task;
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site._host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStarted.Register(started.SetResult);
        await await Task.WhenAny(started.Task, site._run);
        site.Address = new Uri(
            site._host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()
        );
        site.Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = site.Address };
        return site;
    }

    public void OnNext(DiagnosticListener value)
    {
        if (value.Name == "Microsoft.Extensions.Hosting")
        {
            _watches.Enqueue(value.Subscribe(this));
        }
    }

    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (value is ("HostBuilt", IHost host) && Builds.Value == this)
        {
            _built.TrySetResult(host);
        }
    }

    public void OnCompleted() { }

    public void OnError(Exception error) { }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _host.StopAsync(CancellationToken.None);
        await _run;
        while (_watches.TryDequeue(out var watch))
        {
            watch.Dispose();
        }

        TestFolder.Remove(_keys);
    }
}
