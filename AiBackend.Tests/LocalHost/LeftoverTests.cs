using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.LocalHost;

/// <summary>What a killed host left running is found by its ledger, and nothing else is touched.</summary>
public sealed class LeftoverTests : IDisposable
{
    private readonly string _folder = TestFolder.Create("ledger");
    private readonly ChildLedger _ledger;

    public LeftoverTests()
    {
        _ledger = new(Path.Combine(_folder, "processes"));
        _ledger.Begin();
    }

    public void Dispose() => TestFolder.Remove(_folder);

    [Fact]
    public async Task A_child_that_is_still_running_is_ended()
    {
        using var child = Start("sleep 1000");
        await ListedAsync(1);

        var ended = await _ledger.ReapAsync(TestRun.Cancel);

        Assert.Equal(["child"], ended);
        Assert.Equal(143, await child.Exited.WaitAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task What_a_dead_child_left_behind_is_ended()
    {
        // Job control gives the grandchild a group of its own in its parent's session, so that it outlives the parent.
        using var child = Start("set -m; sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > survivor; kill -9 $$");
        var pid = int.Parse(
            await Eventually.GetAsync(c => File.ReadAllTextAsync(Path.Combine(_folder, "survivor"), c), t => t.EndsWith('\n'), "it runs"),
            System.Globalization.CultureInfo.InvariantCulture
        );
        await child.Exited.WaitAsync(TestRun.Cancel);
        var survivor = ProcessIdentity.Of(pid);

        await _ledger.ReapAsync(TestRun.Cancel);

        Assert.False(survivor!.Value.IsAlive);
    }

    [Fact]
    public async Task A_process_that_got_the_pid_of_a_dead_child_is_left_alone()
    {
        using var stranger = Start("sleep 1000");
        var line = (await ListedAsync(1))[^1].Split(' ');
        await File.WriteAllTextAsync(
            _ledger.Path,
            $"{await BootLineAsync()}\n{line[0]} {long.Parse(line[1], System.Globalization.CultureInfo.InvariantCulture) - 1} child\n",
            TestRun.Cancel
        );

        var ended = await _ledger.ReapAsync(TestRun.Cancel);

        Assert.Empty(ended);
        Assert.False(stranger.Exited.IsCompleted);
        await stranger.StopAsync(AiBackend.LocalHost.Supervision.Signal.Kill, TestRun.Cancel);
    }

    [Fact]
    public async Task A_list_from_before_the_machine_started_anew_means_nothing()
    {
        using var stranger = Start("sleep 1000");
        var line = (await ListedAsync(1))[^1];
        await File.WriteAllTextAsync(_ledger.Path, $"boot 00000000-0000-0000-0000-000000000000\n{line}\n", TestRun.Cancel);

        var ended = await _ledger.ReapAsync(TestRun.Cancel);

        Assert.Empty(ended);
        await stranger.StopAsync(AiBackend.LocalHost.Supervision.Signal.Kill, TestRun.Cancel);
    }

    [Fact]
    public async Task A_child_that_ignores_the_request_is_killed()
    {
        using var child = Start("trap '' TERM; echo up > up; while :; do sleep 0.05; done");
        await Eventually.TrueAsync(() => File.Exists(Path.Combine(_folder, "up")), "it runs");

        await _ledger.ReapAsync(TestRun.Cancel);

        Assert.Equal(137, await child.Exited.WaitAsync(TestRun.Cancel));
    }

    private ManagedProcess Start(string script) =>
        ManagedProcess.Start(
            new("/bin/bash", ["-c", script], _folder, new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" }),
            "child",
            _ledger,
            _ => { }
        );

    private Task<string[]> ListedAsync(int children) =>
        Eventually.GetAsync(c => File.ReadAllLinesAsync(_ledger.Path, c), lines => lines.Length == 2 + children, "the child is listed");

    private async Task<string> BootLineAsync() => (await File.ReadAllLinesAsync(_ledger.Path, TestRun.Cancel))[0];
}
