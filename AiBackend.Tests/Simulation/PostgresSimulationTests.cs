using System.Text;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>The same schedules against the SQL itself: the guards are there, not in memory.</summary>
public sealed class PostgresSimulationTests(PostgresServer postgres, ITestOutputHelper output)
{
    private const int Seeds = 40;
    private const int Kills = 10_000;

    [Fact]
    public async Task P_1_P_2_P_4_forty_schedules_hold_on_Postgres_and_leave_the_same_history_as_in_memory()
    {
        await using var backend = await PostgresBackend.StartAsync(postgres);
        var (calls, clock) = (0, System.Diagnostics.Stopwatch.StartNew());
        foreach (var seed in Simulations.Seeds(Seeds))
        {
            var expected = Simulations.Check(seed, Simulations.InMemory, output);
            var actual = Simulations.Check(seed, backend.System(), output);
            calls += actual.World.Calls;

            if (HistoryOf(expected) != HistoryOf(actual))
            {
                Assert.Fail($"Seed {seed} went another way on Postgres. {FirstDifference(seed, backend)}");
            }
        }

        output.WriteLine($"{calls} statements in {clock.Elapsed.TotalSeconds:0.0} s");
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task I_1_I_4_no_job_is_lost_or_doubly_committed_in_ten_thousand_kills_against_Postgres()
    {
        await using var backend = await PostgresBackend.StartAsync(postgres);
        var (kills, jobs, schedules) = (0, 0, 0);
        foreach (var seed in Simulations.Seeds(Kills, first: 1_000_000).TakeWhile(_ => kills < Kills))
        {
            TestRun.Cancel.ThrowIfCancellationRequested();
            var run = Simulations.Check(seed, backend.System() with { Disturbances = 25 }, output);
            kills += run.World.Kills;
            jobs += run.World.Referee.Jobs.Count;
            schedules++;
        }

        Assert.True(Simulations.IsChosen || kills >= Kills, $"Only {kills} kills in {schedules} schedules.");
        output.WriteLine($"{kills} kills in {schedules} schedules, {jobs} jobs: 0 lost, 0 doubly committed.");
    }

    private static string FirstDifference(int seed, PostgresBackend backend)
    {
        List<string> memory = [];
        List<string> stored = [];
        SimulatedRun.Play(seed, Simulations.InMemory, memory);
        SimulatedRun.Play(seed, backend.System(), stored);
        var same = memory.Zip(stored).TakeWhile(lines => lines.First == lines.Second).Count();
        return $"After {same} equal steps, in memory:\n{string.Join('\n', memory.Skip(same - 5).Take(8))}\non Postgres:\n{string.Join('\n', stored.Skip(same - 5).Take(8))}";
    }

    /// <summary>Everything that is stored, as text.</summary>
    private static string HistoryOf(SimulatedRun run)
    {
        var history = new StringBuilder();
        foreach (var job in run.World.Backend.Dump())
        {
            history.AppendLine(job.ToString());
            foreach (var record in run.World.Backend.Log.ReadAllAsync(job.Id).GetAwaiter().GetResult())
            {
                history
                    .Append(record.Seq)
                    .Append(' ')
                    .Append(record.Kind)
                    .Append(' ')
                    .AppendLine(Encoding.UTF8.GetString(record.Data.Span));
            }
        }

        return history.ToString();
    }
}
