using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>Wall clocks that jump under load, made by libfaketime; monotonic clocks stay right, as they do when a clock is set.</summary>
[Trait("Category", "Long")]
public sealed class ClockTests : IDisposable
{
    private static readonly TimeSpan AtEachTime = TimeSpan.FromSeconds(12);

    private readonly string _folder = TestFolder.Create("clock");

    private ChildProcess? _shared;

    private string ClockFile => Path.Combine(_folder, "clock");

    [Theory]
    [InlineData("worker")]
    [InlineData("api")]
    public async Task F_32_a_program_whose_clock_jumps_to_and_fro_breaks_no_invariant(string program)
    {
        StackFixture.RequireServers();
        await using var stack = await Stack.StartAsync();
        await UseFakeClockAsync(stack, program);
        await using var run = await ChaosRun.StartAsync(stack, perSecond: 10);

        foreach (var time in (string[])["+1h", "-2h", "+0", "+1h", "-1h", "+0"])
        {
            Set(time);
            await run.UntilMoreEndedAsync(10);
        }

        await run.AssertNothingIsViolatedAsync(await run.EndAsync(TimeSpan.FromMinutes(3)), ($"jumps of the clock of {program}", "6"));
    }

    [Fact]
    public async Task F_33_leases_that_a_jump_of_Postgres_clock_ends_early_are_fenced()
    {
        StackFixture.RequireServers();
        await using var stack = await Stack.StartAsync();
        // To the checker a log whose hour has passed would look like one with gaps.
        for (var replica = 0; replica < stack.Processes.Of("worker").Count; replica++)
        {
            stack.Processes.SetVariable("worker", "Retention__CompactAfter", "0", replica);
            await stack.Processes.WaitForRestartAsync("worker", stack.Processes.Kill("worker", replica), replica, TestRun.Cancel);
        }

        await UseFakeClockAsync(stack, "postgres");
        await using var run = await ChaosRun.StartAsync(stack, perSecond: 10);
        await run.UntilMoreEndedAsync(20);

        // Forward alone: backward, a lease lasts longer, and nothing can be concluded but that it ends later.
        foreach (var time in (string[])["+1h", "+2h"])
        {
            Set(time);
            await Task.Delay(AtEachTime, TestRun.Cancel);
            await run.UntilMoreEndedAsync(10);
        }

        await run.AssertNothingIsViolatedAsync(await run.EndAsync(TimeSpan.FromMinutes(3)), ("jumps of the clock of Postgres", "2"));
    }

    public void Dispose()
    {
        _shared?.Dispose();
        TestFolder.Remove(_folder);
    }

    private async Task UseFakeClockAsync(Stack stack, string program)
    {
        File.SetUnixFileMode(
            _folder,
            File.GetUnixFileMode(_folder)
                | UnixFileMode.GroupRead
                | UnixFileMode.GroupExecute
                | UnixFileMode.OtherRead
                | UnixFileMode.OtherExecute
        );
        Set("+0");
        var library = TestRun.Require(
            "libfaketimeMT.so.1",
            [.. Directory.GetDirectories("/usr/lib").Select(path => Path.Combine(path, "faketime"))]
        );
        foreach (
            var (name, value) in ((string, string)[])
                [
                    ("LD_PRELOAD", library),
                    ("FAKETIME_TIMESTAMP_FILE", ClockFile),
                    ("FAKETIME_NO_CACHE", "1"),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                    ("DONT_FAKE_MONOTONIC", "1"),
                ]
        )
        {
            stack.Processes.SetVariable(program, name, value);
        }

        if (program is "postgres")
        {
            stack.Processes.SetVariable(program, "FAKETIME_SHARED", await SharedMemoryAsync(library));
            await stack.RestartPostgresAsync();
            await using var source = NpgsqlDataSource.Create(stack.Postgres);
            await Eventually.TrueAsync(cancellationToken => AnswersAsync(source, cancellationToken), "Postgres is back");
            return;
        }

        await stack.Processes.WaitForRestartAsync(program, stack.Processes.Kill(program), cancellationToken: TestRun.Cancel);
    }

    /// <summary>
    /// What the library shares between processes. Whoever loads it first makes this for its own user alone; with Postgres that would be
    /// root, on the way to the server's user.
    /// </summary>
    private async Task<string> SharedMemoryAsync(string library)
    {
        _shared = await ChildProcess.StartAsync(
            TestRun.Require("env", "/usr/bin"),
            [$"LD_PRELOAD={library}", "sh", "-c", "echo $FAKETIME_SHARED; exec sleep 600"],
            user: Environment.IsPrivilegedProcess ? "postgres" : null
        );
        return await Eventually.GetAsync(
            _ => Task.FromResult(_shared.Output.Trim()),
            names => names.Length > 0,
            "the library has its shared memory"
        );
    }

    private static async Task<bool> AnswersAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await source.OpenConnectionAsync(cancellationToken);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private void Set(string time) => File.WriteAllText(ClockFile, time + "\n");
}
