using System.Diagnostics;
using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>The first command a person types, from start to stop.</summary>
public sealed class RunScriptTests
{
    private static readonly string[] Resources =
    [
        .. (string[])["postgres", "aibackend", "redis", "simulator", "migrations"],
        .. (string[])["api", "worker-1", "worker-2", "web"],
    ];

    [Fact]
    public async Task Detached_it_returns_when_all_is_healthy_and_stop_leaves_nothing()
    {
        await using var script = new RunScript();

        var started = await script.RunAsync("--detach");
        Assert.True(started.ExitCode == 0, started.Error);
        Assert.Equal(script.Announcement, Lines(started));
        Assert.True(await script.ApiAnswersAsync());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(script.KeyFile));
        Assert.Matches("^aib_test_.+\n$", await File.ReadAllTextAsync(script.KeyFile, TestRun.Cancel));

        var status = await script.RunAsync("status");
        Assert.Equal(0, status.ExitCode);
        Assert.Equal(Resources, Lines(status).Skip(1).Select(line => line.Split(' ')[0]));

        var again = await script.RunAsync("--detach");
        Assert.Equal(0, again.ExitCode);
        Assert.Equal(script.Announcement, Lines(again));

        var processes = await script.ListedAsync();
        var stopped = await script.RunAsync("stop");
        Assert.True(stopped.ExitCode == 0, stopped.Error);
        Assert.All(processes, p => Assert.False(p.IsAlive, $"{p.Pid} is still running"));
        Assert.Equal(3, (await script.RunAsync("status")).ExitCode);
        Assert.Equal(0, (await script.RunAsync("stop")).ExitCode);
    }

    [Fact]
    public async Task What_a_killed_host_left_running_is_ended_by_the_next_start_and_by_stop()
    {
        await using var script = new RunScript();
        Assert.Equal(0, (await script.RunAsync("--detach")).ExitCode);

        var first = await KillHostAsync(script);
        Assert.Equal(1, (await script.RunAsync("status")).ExitCode);
        var restarted = await script.RunAsync("--detach");
        Assert.True(restarted.ExitCode == 0, restarted.Error);
        Assert.All(first, p => Assert.False(p.IsAlive, $"{p.Pid} is still running"));

        var second = await KillHostAsync(script);
        Assert.Equal(0, (await script.RunAsync("stop")).ExitCode);
        Assert.All(second, p => Assert.False(p.IsAlive, $"{p.Pid} is still running"));
    }

    [Fact]
    public async Task In_the_foreground_it_ends_soon_after_an_interrupt()
    {
        await using var script = new RunScript();
        using var running = script.Start();
        var errors = running.StandardError.ReadToEndAsync(TestRun.Cancel);
        List<string?> announced = [];
        for (var i = 0; i < script.Announcement.Length; i++)
        {
            announced.Add(await running.StandardOutput.ReadLineAsync(TestRun.Cancel));
        }

        var processes = await script.ListedAsync();
        var watch = Stopwatch.StartNew();
        Signals.Send(running.Id, AiBackend.LocalHost.Supervision.Signal.Interrupt);
        await running.WaitForExitAsync(TestRun.Cancel);

        Assert.Equal(script.Announcement, announced);
        // The host ends all that runs within 9.5 s (Supervisor); what comes before and after takes a busy machine some seconds more.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"took {watch.Elapsed}: {await errors}");
        Assert.Equal(0, running.ExitCode);
        Assert.Equal("", await running.StandardOutput.ReadToEndAsync(TestRun.Cancel));
        Assert.All(processes, p => Assert.False(p.IsAlive, $"{p.Pid} is still running"));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Two_stacks_run_side_by_side_and_a_shared_port_is_refused_by_name()
    {
        await using var one = new RunScript();
        await using var clash = new RunScript { ApiPort = one.ApiPort };
        await using var other = new RunScript();
        Assert.Equal(0, (await one.RunAsync("--detach")).ExitCode);

        var refused = await clash.RunAsync("--detach");
        var beside = await other.RunAsync("--detach");
        Assert.Equal(0, (await one.RunAsync("stop")).ExitCode);

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains($"Port {one.ApiPort}", refused.Error, StringComparison.Ordinal);
        Assert.Contains("AIBACKEND_API_PORT", refused.Error, StringComparison.Ordinal);
        Assert.True(beside.ExitCode == 0, beside.Error);
        Assert.True(await other.ApiAnswersAsync());
        Assert.False(await one.ApiAnswersAsync());
    }

    [Fact]
    public async Task An_unknown_argument_is_refused_and_help_names_every_variable()
    {
        await using var script = new RunScript();

        var unknown = await script.RunAsync("--wrong");
        var help = await script.RunAsync("--help");

        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains("--wrong", unknown.Error, StringComparison.Ordinal);
        Assert.Equal(0, help.ExitCode);
        Assert.All(
            (string[])["AIBACKEND_API_PORT", "AIBACKEND_WEB_PORT", "AIBACKEND_STATE_DIR", "OPENAI_API_KEY", "--detach", "status", "stop"],
            word => Assert.Contains(word, help.Output, StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task A_port_that_is_none_is_refused_without_a_stack_trace()
    {
        await using var script = new RunScript { WebPort = 70_000 };

        var refused = await script.RunAsync();

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains(
            "error: AIBACKEND_WEB_PORT is '70000'. It must be a port number from 1 to 65535",
            refused.Error,
            StringComparison.Ordinal
        );
        Assert.DoesNotContain("   at ", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_setting_ends_the_start_soon_and_is_told_in_its_own_words()
    {
        await using var script = new RunScript { Environment = { ["OPENAI_BASE_URL"] = "localhost:1234/v1" } };

        var refused = await script.RunAsync("--detach");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("error: OPENAI_BASE_URL must be an absolute http or https address", refused.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", refused.Error, StringComparison.Ordinal);
    }

    private static string[] Lines(ScriptResult result) => result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static async Task<IReadOnlyList<ProcessIdentity>> KillHostAsync(RunScript script)
    {
        var processes = await script.ListedAsync();
        Signals.Send(processes[0].Pid, AiBackend.LocalHost.Supervision.Signal.Kill);
        await Eventually.TrueAsync(() => !processes[0].IsAlive, "the host is gone");
        Assert.Contains(processes, p => p.IsAlive);
        return processes;
    }
}
