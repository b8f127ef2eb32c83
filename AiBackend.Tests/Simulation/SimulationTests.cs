using System.Globalization;
using Xunit.Sdk;

namespace AiBackend.Tests.Simulation;

/// <summary>The durable core under a thousand schedules that no test could wait for.</summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private const int Seeds = 1000;

    /// <summary>What must happen now and then, or the schedules say nothing about it.</summary>
    private static readonly string[] Rare =
    [
        "Redis lost entries that nobody had read",
        "a cancel came too late",
        "a cancel overtook a retry",
        "a claim found its job taken or ended",
        "a deadline passed while nobody worked",
        "a frozen process went on",
        "a late write was fenced",
        "a lost reply was recovered",
        "a new job waited behind the backlog",
        "a process noticed that Redis was away",
        "a reader resumed",
        "a reader saw text reset",
        "a renewal found its lease lost",
        "a repeated submit found its job",
        "a rescue ended its job",
        "a rescue was overtaken by its job's holder or by another rescuer",
        "a submit ended without an answer",
        "a suspect ran alone",
        "a worker drained and stopped",
        "a zombie was fenced by its epoch",
        "an attempt ended as Cancelled and its job as Cancelled",
        "an attempt ended as Failed and its job as Failed",
        "an attempt ended as Failed and its job as Retrying",
        "an attempt ended as Interrupted and its job as Queued",
        "an attempt ended as Partial and its job as PartiallyCompleted",
        "an attempt ended as Succeeded and its job as Completed",
        "an unsure write had not happened",
        "another request under a used key was refused",
        "the group was created again",
    ];

    [Fact]
    public void P_2_P_4_every_invariant_holds_under_a_thousand_schedules()
    {
        var reached = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var (kills, steps) = (0, 0L);
        foreach (var seed in Simulations.Seeds(Seeds))
        {
            var run = Simulations.Check(seed, Simulations.InMemory, output);
            (kills, steps) = (kills + run.World.Kills, steps + run.World.Schedule.Steps);
            foreach (var what in run.World.Reached)
            {
                reached[what] = reached.GetValueOrDefault(what) + 1;
            }
        }

        Assert.True(
            Simulations.IsChosen || Rare.All(reached.ContainsKey),
            $"Never reached: {string.Join("; ", Rare.Except(reached.Keys))}."
        );
        output.WriteLine($"{kills} kills, {steps} steps; of {Seeds} schedules so many reached:");
        foreach (var (what, count) in reached)
        {
            output.WriteLine($"{count, 5} {what}");
        }
    }
}

/// <summary>How runs are started and reported.</summary>
internal static class Simulations
{
    private const string Variable = "AIBACKEND_SIM_SEED";

    public static SimulatedSystem InMemory { get; } = new() { Backend = world => BackendOf(new MemoryStore(world)) };

    public static Backend BackendOf(MemoryStore store) =>
        new(store, store, store, () => Task.FromResult(store.Suspects()), store.Dump, () => { });

    public static bool IsChosen => Chosen is not null;

    /// <summary>So many seeds, or the one that <c>AIBACKEND_SIM_SEED</c> names.</summary>
    public static IEnumerable<int> Seeds(int count, int first = 1) => Chosen is { } seed ? [seed] : Enumerable.Range(first, count);

#pragma warning disable RS0030 // A person at a desk chooses it; there is no configuration to bind.
    private static int? Chosen =>
        int.TryParse(Environment.GetEnvironmentVariable(Variable), CultureInfo.InvariantCulture, out var seed) ? seed : null;
#pragma warning restore RS0030

    /// <summary>Plays a seed; a violation fails the test with what happened and how to see it again.</summary>
    public static SimulatedRun Check(int seed, SimulatedSystem system, ITestOutputHelper output)
    {
        List<string>? trace = Chosen is null ? null : [];
        var run = SimulatedRun.Play(seed, system, trace);
        trace?.ForEach(output.WriteLine);
        if (run.World.Referee.Violations is { Count: > 0 } violations)
        {
            throw new XunitException(
                $"Seed {seed} broke {violations.Count} invariants:\n{string.Join('\n', violations.Take(5))}\n"
                    + $"See it happen: {Variable}={seed} ./test.sh --filter FullyQualifiedName~{TestContext.Current.TestMethod?.MethodName}"
            );
        }

        return run;
    }
}
