using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Contracts.Rules;
using AiBackend.Core.Contracts.Schemas;

namespace AiBackend.Core.Contracts;

/// <summary>An answer that was looked at.</summary>
/// <param name="Check">What was found.</param>
/// <param name="Text">The answer as it would be the job's output: mended, where that was needed and helped.</param>
public sealed record CheckedAnswer(ContractCheck Check, string Text)
{
    /// <summary>Whether it keeps its contract.</summary>
    public bool IsValid => Check.Verdict == Verdicts.Valid;
}

/// <summary>Lays contracts on answers. Asks nobody: what a judge says is asked elsewhere.</summary>
public sealed class OutputContracts
{
    // 30 days.
    private const int MostReviewSeconds = 2_592_000;

    private readonly ValueRules _rules;

    /// <param name="custom">Validators that contracts may name.</param>
    public OutputContracts(IEnumerable<IOutputRule> custom) => _rules = new ValueRules(custom);

    /// <summary>Says what is wrong with a contract.</summary>
    /// <param name="contract">What a caller sent.</param>
    /// <param name="report">Takes the place of each fault within the contract, and what is wrong there.</param>
    public void Refuse(OutputContract contract, Action<string, string> report)
    {
        if (contract.OnViolation is { } policy && !ContractPolicies.All.Contains(policy, StringComparer.Ordinal))
        {
            report("on_violation", $"must be one of {string.Join(", ", ContractPolicies.All)}.");
        }

        RefuseReview(contract.Review, report);
        if (contract.Schema is { ValueKind: not JsonValueKind.Null } schema)
        {
            SchemaBounds.Check(schema, (place, fault) => report("schema" + place, fault));
        }

        if (contract is { Schema: null or { ValueKind: JsonValueKind.Null }, Rules: null or { Count: 0 } })
        {
            report("schema", "and rules are both missing; give at least one of them.");
        }

        if (contract.Rules?.Count > RuleBounds.MaxRules)
        {
            report("rules", FormattableString.Invariant($"has {contract.Rules.Count} rules; at most {RuleBounds.MaxRules} are allowed."));
            return;
        }

        for (var i = 0; i < (contract.Rules?.Count ?? 0); i++)
        {
            var place = FormattableString.Invariant($"rules[{i}]");
            if (contract.Rules![i] is { } rule)
            {
                RuleBounds.Check(rule, _rules.CustomNames, (member, fault) => report($"{place}.{member}", fault));
            }
            else
            {
                report(place, "must be a rule, which is an object.");
            }
        }
    }

    /// <summary>Looks at an answer.</summary>
    /// <param name="contract">Accepted by <see cref="Refuse"/>.</param>
    /// <param name="text">What the model wrote.</param>
    /// <param name="finishReason">Why it ended.</param>
    /// <param name="source">What it may quote, see <see cref="CitedSource"/>.</param>
    public CheckedAnswer Check(OutputContract contract, string text, string? finishReason, string source)
    {
        var mayMend = contract.OnViolation != ContractPolicies.Fail;
        CheckedAnswer found;
        if (JsonRepair.Read(text, mayMend, out var fault) is { } read)
        {
            found = CheckValue(contract, read, mayMend, source);
        }
        else
        {
            found = Broken(Verdicts.Parse, text, [], Violations.Of("", "json", fault));
        }

        // What ended too early is not wrong, but short: asking the same again would end as early.
        return (found.IsValid, finishReason) switch
        {
            (false, "length") => found with { Check = found.Check with { Verdict = Verdicts.Truncation } },
            (false, "content_filter" or "refusal") => found with { Check = found.Check with { Verdict = Verdicts.Refusal } },
            _ => found,
        };
    }

    /// <summary>Looks at a value that nobody wrote as a text, such as what a step gives. Nothing is mended, and nothing can be quoted.</summary>
    public ContractCheck Check(OutputContract contract, JsonElement value) =>
        CheckValue(contract, new RepairedJson(value, "", []), mayMend: false, source: "").Check;

    /// <summary>Says what is wrong with how long a person may take, and what happens then.</summary>
    public static void RefuseReview(ContractReview? review, Action<string, string> report)
    {
        if (review?.TimeoutSeconds is < 1 or > MostReviewSeconds)
        {
            report(
                "review.timeout_seconds",
                FormattableString.Invariant($"is {review.TimeoutSeconds}; it must be a whole number from 1 to {MostReviewSeconds}.")
            );
        }

        if (review?.OnTimeout is { } then && !ReviewTimeouts.All.Contains(then, StringComparer.Ordinal))
        {
            report("review.on_timeout", $"must be one of {string.Join(", ", ReviewTimeouts.All)}.");
        }
    }

    private CheckedAnswer CheckValue(OutputContract contract, RepairedJson read, bool mayMend, string source)
    {
        var looksAt = Verdicts.Schema;
        try
        {
            return EvaluationBudget.Within(Look);
        }
        catch (EvaluationLimitException tooLong)
        {
            return Broken(looksAt, read.Text, read.Repairs, Violations.Of("", "evaluation", tooLong.Message));
        }

        CheckedAnswer Look(EvaluationBudget budget)
        {
            looksAt = Verdicts.Schema;
            if (contract.Schema is { ValueKind: not JsonValueKind.Null } schema)
            {
                (read, var misfits) = Fit(schema, read, mayMend, budget);
                if (misfits.Count > 0)
                {
                    return Broken(looksAt, read.Text, read.Repairs, [.. misfits]);
                }
            }

            looksAt = Verdicts.Rule;
            var broken = _rules.Check(contract.Rules ?? [], read.Value, new Quotations(source, budget), budget);
            return broken.Count > 0
                ? Broken(looksAt, read.Text, read.Repairs, [.. broken])
                : new CheckedAnswer(new ContractCheck { Verdict = Verdicts.Valid, Repaired = read.Repairs }, read.Text);
        }
    }

    private static (RepairedJson Read, IReadOnlyList<ContractViolation> Misfits) Fit(
        JsonElement schema,
        RepairedJson read,
        bool mayMend,
        EvaluationBudget budget
    )
    {
        var misfits = new SchemaEvaluation(schema, budget).Run(read.Value);
        var mistyped = misfits.Where(misfit => misfit.Rule == "type").Select(misfit => misfit.Path).ToHashSet(StringComparer.Ordinal);
        if (!mayMend || mistyped.Count == 0 || JsonRepair.RetypeTexts(read.Value, mistyped) is not { } retyped)
        {
            return (read, misfits);
        }

        var left = new SchemaEvaluation(schema, budget).Run(retyped);
        var mended = new RepairedJson(
            retyped,
            JsonSerializer.Serialize(retyped, ApiContracts.WireJson.Default.JsonElement),
            [.. read.Repairs, Repairs.TextForValue]
        );
        return left.Count == 0 ? (mended, left) : (read, misfits);
    }

    private static CheckedAnswer Broken(
        string verdict,
        string text,
        IReadOnlyList<string> repairs,
        params ContractViolation[] violations
    ) =>
        new(
            new ContractCheck
            {
                Verdict = verdict,
                Repaired = repairs,
                Violations = violations,
            },
            text
        );
}
