using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.LocalHost;

namespace AiBackend.Tests.EndToEnd;

internal sealed record ScriptResult(int ExitCode, string Output, string Error);

/// <summary>Calls <c>run.sh</c> of this checkout with a state directory and ports of its own, on what the tests were built with.</summary>
internal sealed class RunScript : IAsyncDisposable
{
    private static readonly string Root = Path.GetFullPath("..", Projects.AiBackend_AppHost.ProjectPath);

    private readonly string _folder = LocalApp.CreateFolder();

    public int ApiPort { get; init; } = FreePorts.Take();

    public int WebPort { get; init; } = FreePorts.Take();

    /// <summary>Further variables of the person who calls it.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    public string State => Path.Combine(_folder, "state");

    public string KeyFile => Path.Combine(State, "dev-api-key");

    public string[] Announcement => [$"API  http://localhost:{ApiPort}", $"Web  http://localhost:{WebPort}", $"Key  {KeyFile}"];

    public Process Start(params string[] arguments)
    {
        StackFixture.RequireServers();
        // A test run in the background ignores interrupts, and its children inherit that; a person's terminal does not.
        var start = new ProcessStartInfo("/usr/bin/env", ["--default-signal=INT", "/bin/bash", Path.Combine(Root, "run.sh"), .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["AIBACKEND_STATE_DIR"] = State;
        start.Environment["AIBACKEND_API_PORT"] = ApiPort.ToString(CultureInfo.InvariantCulture);
        start.Environment["AIBACKEND_WEB_PORT"] = WebPort.ToString(CultureInfo.InvariantCulture);
        start.Environment["AIBACKEND_BUILT"] = typeof(Stack).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;
        foreach (var (name, value) in Environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    public async Task<ScriptResult> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync(TestRun.Cancel);
        var error = process.StandardError.ReadToEndAsync(TestRun.Cancel);
        await process.WaitForExitAsync(TestRun.Cancel);
        return new(process.ExitCode, await output, await error);
    }

    /// <summary>Everything its host has listed, by pid and start time; the host itself first.</summary>
    public async Task<IReadOnlyList<ProcessIdentity>> ListedAsync()
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(State, "processes"), TestRun.Cancel);
        return
        [
            .. from line in lines.Skip(1)
            let fields = line.Split(' ')
            select new ProcessIdentity(
                int.Parse(fields[0], CultureInfo.InvariantCulture),
                long.Parse(fields[1], CultureInfo.InvariantCulture)
            ),
        ];
    }

    public async Task<bool> ApiAnswersAsync()
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        try
        {
            using var response = await client.GetAsync(new Uri($"http://localhost:{ApiPort}/health/ready"), TestRun.Cancel);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Directory.Exists(State))
        {
            await RunAsync("stop");
        }

        TestFolder.Remove(_folder);
    }
}
