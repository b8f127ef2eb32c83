namespace AiBackend.Tests.Simulation;

/// <summary>A simulation that finds nothing proves nothing: each of these mistakes must be found.</summary>
public sealed class PlantedBugTests(ITestOutputHelper output)
{
    /// <summary>Schedules within which a mistake must show: a quarter of those that every run plays.</summary>
    private const int Bound = 250;

    public static TheoryData<string> Bugs => [.. PlantedBugs.All.Keys];

    [Theory]
    [MemberData(nameof(Bugs))]
    public void A_planted_bug_is_caught(string bug)
    {
        for (var seed = 1; seed <= Bound; seed++)
        {
            if (SimulatedRun.Play(seed, PlantedBugs.All[bug]).World.Referee.Violations is [var first, ..])
            {
                output.WriteLine($"Caught by seed {seed}: {first}");
                return;
            }
        }

        Assert.Fail($"No schedule of {Bound} noticed that {bug}.");
    }
}
