using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Providers.Admission;

namespace AiBackend.Tests.Admission;

/// <summary>How many tokens a call is expected to use: by what is known of its own kind, or else of its deployment, or else by a rule of thumb.</summary>
public sealed class TokenEstimatesTests
{
    private const string Deployment = "p0/m";

    /// <summary>From as many calls on their use is known.</summary>
    private const int Enough = 8;

    private const int MostKinds = 2_000;

    /// <summary>Forty characters, which are ten tokens by the rule of thumb, and no bound for the answer.</summary>
    private static readonly CallSize Size = new(40, null);

    private static readonly Guid Acme = Guid.CreateVersion7();
    private static readonly Guid Other = Guid.CreateVersion7();

    private readonly TokenEstimates _estimates = new();

    [Theory]
    [InlineData(40, null, 10, 512)]
    [InlineData(41, null, 11, 512)]
    [InlineData(0, null, 1, 512)]
    [InlineData(40, 100, 10, 100)]
    [InlineData(40, 1_000, 10, 512)]
    [InlineData(40, 0, 10, 1)]
    public void Where_nothing_is_known_four_characters_are_a_token_and_an_answer_has_512_or_what_it_may(
        int characters,
        int? most,
        long input,
        long output
    ) => Assert.Equal((input, output), _estimates.Of(Kind(), new CallSize(characters, most)));

    [Fact]
    public void Eight_calls_of_the_deployment_are_gone_by_and_then_eight_of_the_tenant_s_feature()
    {
        Learn(Kind(Other), Enough - 1, input: 20, output: 700);
        Assert.Equal((10, 512), _estimates.Of(Kind(), Size));
        Learn(Kind(Other), 1, input: 20, output: 700);
        Assert.Equal((20, 700), _estimates.Of(Kind(), Size));

        Learn(Kind(), Enough - 1, input: 5, output: 30);
        Assert.Equal((20, 700), _estimates.Of(Kind(), Size));
        Learn(Kind(), 1, input: 5, output: 30);
        Assert.Equal((5, 30), _estimates.Of(Kind(), Size));

        // By their share of the prompt, and no more than the caller allows.
        Assert.Equal((50, 12), _estimates.Of(Kind(), new CallSize(400, 12)));
        // Another deployment is another matter.
        Assert.Equal((10, 512), _estimates.Of(Kind() with { Deployment = "p1/m" }, Size));
    }

    [Fact]
    public void What_is_known_of_one_tenant_or_feature_is_not_changed_by_what_others_do()
    {
        Learn(Kind(Acme, "short"), Enough, input: 10, output: 10);
        Learn(Kind(Acme, "long"), Enough, input: 30, output: 2_000);
        Learn(Kind(Acme, feature: null), Enough, input: 40, output: 50);
        Learn(Kind(Other, "short"), 100, input: 90, output: 9_000);

        Assert.Equal((10, 10), _estimates.Of(Kind(Acme, "short"), Size));
        Assert.Equal((30, 2_000), _estimates.Of(Kind(Acme, "long"), Size));
        Assert.Equal((40, 50), _estimates.Of(Kind(Acme, feature: null), Size));
        Assert.Equal((90, 9_000), _estimates.Of(Kind(Other, "short"), Size));
        // Who has nothing of its own yet is taken for one of the many.
        Assert.Equal((90, 9_000), _estimates.Of(Kind(Acme, "new"), Size));
        Assert.Equal((90, 9_000), _estimates.Of(Kind(Guid.CreateVersion7(), "short"), Size));
    }

    [Fact]
    public void Nine_in_ten_of_the_latest_calls_use_no_more()
    {
        foreach (var output in Enumerable.Range(1, 80).OrderBy(n => n * 37 % 81))
        {
            Learn(Kind(), 1, input: output, output);
        }

        Assert.Equal((72, 72), _estimates.Of(Kind(), Size));

        // One in ten is forgiven, one more is not.
        Learn(Kind(), 256, input: 5, output: 5);
        Assert.Equal((5, 5), _estimates.Of(Kind(), Size));
        Learn(Kind(), 24, input: 5, output: 999);
        Assert.Equal((5, 5), _estimates.Of(Kind(), Size));
        Learn(Kind(), 8, input: 5, output: 999);
        Assert.Equal((5, 999), _estimates.Of(Kind(), Size));
    }

    [Fact]
    public void What_is_billed_beyond_the_caller_s_bound_is_expected_of_those_who_met_it()
    {
        var bounded = new CallSize(40, 100);
        Assert.Null(_estimates.MostOf(Kind(), Size));
        Assert.Equal(100, _estimates.MostOf(Kind(), bounded));

        Learn(Kind(Acme), Enough, input: 10, output: 60, bounded);
        Assert.Equal(100, _estimates.MostOf(Kind(Acme), bounded));
        Learn(Kind(Other), 100, input: 10, output: 150, bounded);

        Assert.Equal((10, 150), _estimates.Of(Kind(Other), bounded));
        Assert.Equal(150, _estimates.MostOf(Kind(Other), bounded));
        Assert.Equal(1_050, _estimates.MostOf(Kind(Other), new CallSize(40, 1_000)));
        Assert.Equal(100, _estimates.MostOf(Kind(Acme), bounded));
        Assert.Equal(150, _estimates.MostOf(Kind(Guid.CreateVersion7()), bounded));
    }

    [Fact]
    public void No_more_kinds_are_remembered_than_there_is_room_for_and_those_that_are_used_stay()
    {
        var used = Enumerable.Range(0, 100).Select(n => Kind(Acme, $"used {n}")).ToList();
        foreach (var kind in used)
        {
            Learn(kind, Enough, input: 10, output: 7);
        }

        Fill("cold", MostKinds - used.Count);
        Assert.Equal(MostKinds, _estimates.Kinds);

        // All were used since they came: one of them gives way, whichever it is, and the others have had their second chance.
        Fill("one more", 1);
        Assert.Equal(MostKinds, _estimates.Kinds);
        used.RemoveAll(kind => _estimates.Of(kind, Size).Output != 7);
        Assert.InRange(used.Count, 99, 100);

        foreach (var kind in used)
        {
            Learn(kind, 1, input: 10, output: 7);
        }

        Fill("and one more", 1);
        // Those that were used again, and the two that came last.
        Assert.Equal(used.Count + 2, _estimates.Kinds);
        Assert.All(used, kind => Assert.Equal((10, 7), _estimates.Of(kind, Size)));
    }

    [Fact]
    public void However_many_kinds_there_are_the_memory_is_bounded()
    {
        for (var n = 0; n < 3 * MostKinds; n++)
        {
            Fill($"{n} ", 1);
            Assert.InRange(_estimates.Kinds, 1, MostKinds);
        }
    }

    private static EstimateKind Kind(Guid? tenant = null, string? feature = "f") => new(Deployment, tenant ?? Acme, feature);

    private void Learn(EstimateKind kind, int calls, long input, long output, CallSize? size = null)
    {
        for (var call = 0; call < calls; call++)
        {
            _estimates.Learn(kind, size ?? Size, new JobUsage(input, 0, output, null));
        }
    }

    /// <summary>Kinds that come once.</summary>
    private void Fill(string name, int kinds)
    {
        for (var n = 0; n < kinds; n++)
        {
            Learn(Kind(Other, $"{name} {n}"), 1, input: 10, output: 1_000);
        }
    }
}
