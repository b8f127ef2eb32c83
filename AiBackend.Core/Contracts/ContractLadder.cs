using AiBackend.ApiContracts.Contracts;

namespace AiBackend.Core.Contracts;

/// <summary>What is done next about an answer.</summary>
public enum LadderStep
{
    /// <summary>It is the output.</summary>
    Accept,

    /// <summary>The same route is told what is wrong, and answers anew.</summary>
    Correct,

    /// <summary>The route's stronger model is asked.</summary>
    Fallback,

    /// <summary>A person decides.</summary>
    Review,

    /// <summary>The job fails.</summary>
    Fail,
}

/// <summary>How far is gone for a valid answer. Pure; every rung is climbed once, so that it ends.</summary>
public static class ContractLadder
{
    /// <param name="policy">One of <see cref="ContractPolicies"/>; null is <c>repair</c>.</param>
    /// <param name="check">What was found.</param>
    /// <param name="corrected">Whether a model was told what is wrong before.</param>
    /// <param name="fellBack">Whether the stronger model was asked before.</param>
    /// <param name="hasStronger">Whether the route names one.</param>
    public static LadderStep Next(string? policy, ContractCheck check, bool corrected, bool fellBack, bool hasStronger)
    {
        if (check.Verdict == Verdicts.Valid)
        {
            return LadderStep.Accept;
        }

        // What a person is to see is not talked away first, unless something else is wrong, too.
        if (check.Verdict == Verdicts.Rule && check.Violations.All(violation => violation.ForReview))
        {
            return LadderStep.Review;
        }

        var rung = Rung(policy);
        if (rung >= Rung(ContractPolicies.Repair) && !corrected && !fellBack && CanBeCorrected(check))
        {
            return LadderStep.Correct;
        }

        if (rung >= Rung(ContractPolicies.Fallback) && hasStronger && !fellBack)
        {
            return LadderStep.Fallback;
        }

        return rung >= Rung(ContractPolicies.Review) ? LadderStep.Review : LadderStep.Fail;
    }

    /// <summary>Words do not lengthen a limit, and seldom change a refusal.</summary>
    private static bool CanBeCorrected(ContractCheck check) => check.Verdict is not (Verdicts.Truncation or Verdicts.Refusal);

    private static int Rung(string? policy) =>
        policy switch
        {
            ContractPolicies.Fail => 0,
            ContractPolicies.Fallback => 2,
            ContractPolicies.Review => 3,
            _ => 1,
        };
}
