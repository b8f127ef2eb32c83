using System.Collections.Concurrent;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Guards;

/// <summary>A guard without which every test passes is no guard, or has no test.</summary>
public sealed class GuardMutationTests
{
    // A test waits for its servers most of the time.
    private const int AtOnce = 2;

    /// <summary>One build with all guards behind a variable, then the test of each guard with that guard taken out.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task A_38_whichever_guard_is_taken_out_its_test_fails()
    {
        var guards = AllGuards.List.Where(guard => guard.File.Contains(TestRun.OnlyGuardsOf, StringComparison.Ordinal)).ToList();
        using var mutants = new Mutants();
        await mutants.BuildAsync(guards);

        // With all guards, or a failure without one would say nothing.
        var sound = await mutants.RunAsync(guards.Select(guard => guard.Test).Distinct(), without: null);
        Assert.True(sound is { Total: > 0, Failed: 0 }, sound?.Output ?? "The tests with all guards came to no end.");

        var survived = new ConcurrentBag<string>();
        await Parallel.ForAsync(
            0,
            guards.Count,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestRun.Cancel },
            async (number, _) =>
            {
                var run = await mutants.RunAsync([guards[number].Test], number);
                if (run is not { Failed: > 0 })
                {
                    survived.Add($"{guards[number].Name}: {Ending(run)} ({guards[number].Test})");
                }
            }
        );

        await TestRun.KeepVerdictAsync("guards", $"A-38: {guards.Count} guards taken out one by one, {survived.Count} of them unseen");
        Findings.None(
            "Without these guards no test fails. Sharpen the test, or name the one that does.",
            survived.Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public void A_38_every_guard_of_the_list_stands_once_where_the_list_says() =>
        Findings.None(
            "A guard was moved, written otherwise or taken out. Say in Guards how it is written now, and see its test fail without it.",
            AllGuards.List.Where(guard => guard.Find(Repository.Read(guard.File)) is null).Select(guard => guard.Name)
        );

    [Fact]
    public void A_38_only_one_guard_is_out_at_a_time_and_none_by_itself()
    {
        const string Source = "if (a.IsIn()\n    && b.IsIn())\n{ Enter(); }\nLock();";
        var (first, second) = (new Guard("x", "if ([[a.IsIn()]] &&", "true", ""), new Guard("x", "if ([[a.IsIn()]] &&", "1 == 1", ""));
        var statement = new Guard("x", "[[Lock();]]", "", "");

        var mutated = Mutants.Apply(Source, [(first, 1), (second, 2), (statement, 3)]);

        const string Asked = "global::System.Environment.GetEnvironmentVariable(\"AIBACKEND_WITHOUT_GUARD\") ==";
        Assert.Equal(
            $"if (({Asked} \"2\" ? (1 == 1) : (({Asked} \"1\" ? (true) : (a.IsIn()))))\n    && b.IsIn())\n{{ Enter(); }}\nif ({Asked} \"3\") {{  }} else {{ Lock(); }}",
            mutated
        );
        Assert.Null(new Guard("x", "[[IsIn()]]", "true", "").Find(Source));
        Assert.Throws<InvalidOperationException>(() => Mutants.Apply(Source, [(new Guard("x", "[[c.IsIn()]]", "true", ""), 1)]));
    }

    private static string Ending((int Total, int Failed, string Output)? run) =>
        run switch
        {
            null => "came to no end",
            { Total: 0 } => "ran no test",
            { Total: var total } => $"{total} passed",
        };
}
