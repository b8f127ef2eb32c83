using System.Diagnostics;
using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.Tests.LocalHost;

/// <summary>Stopping goes backwards, is bounded, and leaves nothing.</summary>
public sealed class StopTests
{
    private const string IgnoresRequests = $"trap '' TERM; echo up > up; {LocalApp.Idle}";

    [Fact]
    public async Task What_needs_a_resource_is_stopped_before_it()
    {
        await using var app = new LocalApp();
        var bottom = app.AddScript("bottom", NotesItsEnd("bottom"));
        var middle = app.AddScript("middle", NotesItsEnd("middle")).WaitFor(bottom);
        app.AddScript("top", NotesItsEnd("top")).WaitFor(middle);
        await app.StartAsync();
        foreach (var name in (string[])["bottom", "middle", "top"])
        {
            await app.FileAsync($"{name}.up");
        }

        await app.App.StopAsync(TestRun.Cancel);

        Assert.Equal(["top", "middle", "bottom"], await File.ReadAllLinesAsync(Path.Combine(app.Folder, "order"), TestRun.Cancel));
    }

    [Fact]
    public async Task A_process_that_ignores_the_request_is_killed_when_its_time_is_up()
    {
        await using var app = new LocalApp();
        app.AddScript("deaf", IgnoresRequests).WithHttpEndpoint();
        await app.StartAsync();
        await app.FileAsync("up");
        var pid = ProcessIdentity.Of(await app.PidAsync("deaf"));
        var watch = Stopwatch.StartNew();

        await app.App.StopAsync(TestRun.Cancel);

        Assert.False(pid!.Value.IsAlive);
        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(2.5), TimeSpan.FromSeconds(9));
    }

    [Fact]
    public async Task Asked_to_end_at_once_nothing_is_waited_for()
    {
        await using var app = new LocalApp();
        app.AddScript("deaf", IgnoresRequests);
        await app.StartAsync();
        await app.FileAsync("up");
        var watch = Stopwatch.StartNew();

        await app.App.StopAsync(new CancellationToken(canceled: true));

        // It would have 6 s to end by itself.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"took {watch.Elapsed}");
    }

    [Fact]
    public async Task A_frozen_process_is_stopped_too()
    {
        await using var app = new LocalApp();
        app.AddScript("frozen", NotesItsEnd("frozen"));
        await app.StartAsync();
        await app.FileAsync("frozen.up");
        app.Processes.Freeze("frozen");

        await app.App.StopAsync(TestRun.Cancel);

        Assert.Equal("frozen\n", await app.FileAsync("order"));
    }

    [Fact]
    public async Task What_a_process_started_and_left_behind_goes_with_it()
    {
        await using var app = new LocalApp();
        app.AddScript("parent", "sleep 1000 & echo $! > child; wait");
        await app.StartAsync();
        var child = ProcessIdentity.Of(int.Parse(await app.FileAsync("child"), System.Globalization.CultureInfo.InvariantCulture));

        await app.App.StopAsync(TestRun.Cancel);

        await Eventually.TrueAsync(() => !child!.Value.IsAlive, "the child is gone");
    }

    [Fact]
    public async Task A_host_that_is_stopped_while_it_starts_leaves_nothing()
    {
        await using var app = new LocalApp();
        var never = app.AddScript("never", LocalApp.Idle).WithHttpEndpoint().WithHttpHealthCheck("/");
        app.AddScript("waits", "touch ran").WaitFor(never);
        await app.StartAsync();
        await app.App.ResourceNotifications.WaitForResourceAsync("never", cancellationToken: TestRun.Cancel);
        var pid = ProcessIdentity.Of(app.PidOf("never"));

        await app.App.StopAsync(TestRun.Cancel);

        Assert.False(pid!.Value.IsAlive);
        Assert.False(File.Exists(Path.Combine(app.Folder, "ran")));
    }

    [Fact]
    public async Task A_program_that_ends_without_stopping_its_application_leaves_nothing()
    {
        await using var app = new LocalApp();
        app.AddScript("parent", "sleep 1000 & echo $! > child; wait");
        await app.StartAsync();
        await app.FileAsync("child");
        var pid = ProcessIdentity.Of(await app.PidAsync("parent"))!.Value;

        app.App.Services.GetRequiredService<Supervisor>().KillAll();

        await app.App.ResourceNotifications.WaitForResourceAsync("parent", KnownResourceStates.Exited, TestRun.Cancel);
        Assert.False(pid.IsAlive);
    }

    private static string NotesItsEnd(string name) => $"trap 'echo {name} >> order; exit 0' TERM; echo up > {name}.up; {LocalApp.Idle}";
}
