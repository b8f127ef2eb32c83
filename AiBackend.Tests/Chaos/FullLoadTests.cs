using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>The whole times of the load scenarios, whose short forms are for a desk: the bench ends with 1 when a criterion is missed.</summary>
[Trait("Category", "Long")]
public sealed class FullLoadTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(70);

    [Theory]
    [InlineData("L-1", "load step --full")]
    [InlineData("L-2", "load knee --full")]
    [InlineData("L-3", "load spike --full")]
    [InlineData("L-4", "load cap")]
    [InlineData("L-5", "limits --jobs 50000 --minute 60")]
    [InlineData("L-7", "retries --seconds 300")]
    [InlineData("L-8, F-36", "fanout --streams 300 --readers 1 --rate 30")]
    [InlineData("L-8", "fanout --streams 900 --readers 1 --rate 30")]
    [InlineData("I-6", "budget")]
    [InlineData("F-25", "failover --seconds 8")]
    [InlineData("I-1", "overload")]
    public async Task The_criteria_of_a_load_hold_for_its_whole_time(string id, string scenario)
    {
        var dotnet = TestRun.Require("dotnet", "/usr/share/dotnet", "/usr/lib/dotnet");
        var bench = Repository.Full("AiBackend.Bench");
        await ChildProcess.RunAsync(
            dotnet,
            ["build", bench, "-c", "Release", "-v", "quiet", "--nologo", "-p:RunAnalyzers=false", "-p:UseSharedCompilation=false"]
        );

        using var run = await ChildProcess.StartAsync(
            dotnet,
            ["run", "--no-build", "-c", "Release", "--project", bench, "--", .. scenario.Split(' ')]
        );
        await run.WaitForExitAsync(TestRun.Cancel).WaitAsync(Longest, TestRun.Cancel);

        await TestRun.KeepVerdictAsync($"{id} {scenario}", run.Output);
        Assert.True(run.ExitCode == 0, $"{id} is missed by 'AiBackend.Bench {scenario}':\n{run.Output}");
    }
}
