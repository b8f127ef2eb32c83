using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;

namespace AiBackend.Tests.Contracts;

/// <summary>What is done about answers that break their contract.</summary>
public sealed class LadderTests
{
    private static readonly ContractCheck Wrong = new() { Verdict = Verdicts.Schema, Violations = [new("/a", "type", "is wrong.")] };

    public static TheoryData<string?, bool, LadderStep[]> Policies =>
        new()
        {
            { null, true, [LadderStep.Correct, LadderStep.Fail] },
            { ContractPolicies.Fail, true, [LadderStep.Fail] },
            { ContractPolicies.Repair, true, [LadderStep.Correct, LadderStep.Fail] },
            { ContractPolicies.Fallback, true, [LadderStep.Correct, LadderStep.Fallback, LadderStep.Fail] },
            { ContractPolicies.Fallback, false, [LadderStep.Correct, LadderStep.Fail] },
            { ContractPolicies.Review, true, [LadderStep.Correct, LadderStep.Fallback, LadderStep.Review] },
            { ContractPolicies.Review, false, [LadderStep.Correct, LadderStep.Review] },
        };

    [Theory]
    [MemberData(nameof(Policies))]
    public void P_11_each_policy_climbs_its_rungs_once_and_ends(string? policy, bool hasStronger, LadderStep[] steps) =>
        Assert.Equal(steps, Climb(policy, Wrong, hasStronger));

    [Fact]
    public void P_11_whatever_is_found_in_each_answer_the_ladder_ends_and_takes_none_that_is_wrong()
    {
        string[] verdicts = [Verdicts.Parse, Verdicts.Schema, Verdicts.Rule, Verdicts.Refusal, Verdicts.Truncation, Verdicts.Valid];
        for (var seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            var policy = ContractPolicies.All[random.Next(ContractPolicies.All.Count)];
            var found = new List<string>();
            var steps = Climb(
                policy,
                () =>
                {
                    found.Add(verdicts[random.Next(verdicts.Length)]);
                    return Wrong with
                    {
                        Verdict = found[^1],
                        Violations = [new("/a", "type", "is wrong.") { ForReview = random.Next(2) == 0 }],
                    };
                },
                hasStronger: random.Next(2) == 0
            );

            Assert.True(steps.Count <= 3 && steps.Distinct().Count() == steps.Count, $"Seed {seed}: {string.Join(", ", steps)}");
            Assert.Equal(found[^1] == Verdicts.Valid, steps[^1] == LadderStep.Accept);
        }
    }

    [Theory]
    [InlineData(Verdicts.Truncation)]
    [InlineData(Verdicts.Refusal)]
    public void Words_do_not_help_an_answer_that_was_cut_off_or_refused(string verdict) =>
        Assert.Equal([LadderStep.Fallback, LadderStep.Review], Climb(ContractPolicies.Review, Wrong with { Verdict = verdict }, true));

    [Fact]
    public void However_much_a_person_is_to_see_it_goes_to_a_person()
    {
        var values = string.Join(',', Enumerable.Repeat("0.1", Violations.Most + 5));
        var contract = Contract.OfRule("""{"rule":"range","path":"/*","min":0.5,"severity":"review"}""");

        var found = Contract.Check(contract, $"[{values}]");

        Assert.Equal("more", found.Check.Violations[^1].Rule);
        Assert.Equal([LadderStep.Review], Climb(ContractPolicies.Fail, found.Check, true));
    }

    [Fact]
    public void What_a_person_is_to_see_goes_to_a_person_at_once_unless_more_is_wrong()
    {
        var unsure = new ContractViolation("/c", "range", "is low.") { ForReview = true };
        var forReview = new ContractCheck { Verdict = Verdicts.Rule, Violations = [unsure] };

        Assert.Equal([LadderStep.Review], Climb(ContractPolicies.Fail, forReview, true));
        Assert.Equal(
            [LadderStep.Correct, LadderStep.Fail],
            Climb(ContractPolicies.Repair, forReview with { Violations = [unsure, new("/a", "range", "is wrong.")] }, true)
        );
    }

    [Fact]
    public void A_valid_answer_is_taken() =>
        Assert.Equal([LadderStep.Accept], Climb(ContractPolicies.Review, new ContractCheck { Verdict = Verdicts.Valid }, true));

    private static List<LadderStep> Climb(string? policy, ContractCheck check, bool hasStronger) => Climb(policy, () => check, hasStronger);

    private static List<LadderStep> Climb(string? policy, Func<ContractCheck> check, bool hasStronger)
    {
        var steps = new List<LadderStep>();
        var (corrected, fellBack) = (false, false);
        while (true)
        {
            steps.Add(ContractLadder.Next(policy, check(), corrected, fellBack, hasStronger));
            corrected |= steps[^1] == LadderStep.Correct;
            fellBack |= steps[^1] == LadderStep.Fallback;
            if (steps[^1] is not (LadderStep.Correct or LadderStep.Fallback))
            {
                return steps;
            }

            Assert.InRange(steps.Count, 1, 10);
        }
    }
}
