using AiBackend.LocalHost;
using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.Tests.LocalHost;

/// <summary>An application of small shell scripts, each with the scratch folder as its working directory.</summary>
internal sealed class LocalApp : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly bool _ownsFolder;
    private DistributedApplication? _app;

    public LocalApp(string? folder = null, params string[] args)
    {
        _ownsFolder = folder is null;
        Folder = folder ?? CreateFolder();
        StateDirectory = _ownsFolder ? TemporaryState.NewPath() : Path.Combine(Folder, "state");
        Builder = new DistributedApplicationBuilder(
            new()
            {
                Args = args,
                Defaults = new Dictionary<string, string?>
                {
                    [HostSettings.StateDirectoryKey] = StateDirectory,
                    [HostSettings.ConsoleKey] = "false",
                },
            }
        );
    }

    /// <summary>A folder that others may pass through, as most checkouts are, so that postgres can have its data below.</summary>
    public static string CreateFolder()
    {
        var folder = TestFolder.Create("localhost");
        File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        return folder;
    }

    /// <summary>What every script starts with: runs until asked to end.</summary>
    public const string Idle = "while :; do sleep 0.05; done";

    public IDistributedApplicationBuilder Builder { get; }

    public string Folder { get; }

    /// <summary>A temporary one goes with the application, or with the next run when this one is killed.</summary>
    public string StateDirectory { get; }

    public DistributedApplication App => _app ??= Builder.Build();

    public ResourceProcesses Processes => App.Processes();

    public IResourceBuilder<ExecutableResource> AddScript(string name, string script) =>
        Builder.AddExecutable(name, "/bin/bash", Folder, "-c", script);

    public Task StartAsync() => App.StartAsync(TestRun.Cancel);

    public Task HealthyAsync(string resource) =>
        App.ResourceNotifications.WaitForResourceHealthyAsync(resource, TestRun.Cancel).WaitAsync(Patience, TestRun.Cancel);

    public int PidOf(string resource) => Processes.Of(resource)[0].ProcessId ?? throw new InvalidOperationException($"{resource} is down.");

    /// <summary>Of a script that has begun to write: that may be there before the host has noted that it started it.</summary>
    public Task<int> PidAsync(string resource) =>
        Eventually.GetAsync(_ => Task.FromResult(PidOf(resource)), _ => true, $"the host knows the process of {resource}");

    public Task<string> FileAsync(string name) =>
        Eventually.GetAsync(c => File.ReadAllTextAsync(Path.Combine(Folder, name), c), t => t.EndsWith('\n'), $"{name} is written");

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.DisposeAsync();
        }

        if (_ownsFolder)
        {
            TestFolder.Remove(Folder);
        }
    }
}
