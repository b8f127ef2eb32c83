using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts.Schemas;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Contracts.Rules;

/// <summary>Says at the door what is wrong with a rule.</summary>
internal static class RuleBounds
{
    /// <summary>Rules of a contract.</summary>
    public const int MaxRules = 50;

    private const int MaxPath = 500;
    private const int MaxMessage = 500;
    private const int MaxCriteria = 4000;
    private const int MaxValues = 200;
    private const int MaxSchemes = 10;

    private static readonly string[] Operators = ["<", "<=", "=", "!=", ">=", ">"];

    /// <param name="rule">What a caller sent.</param>
    /// <param name="custom">Validators that are registered.</param>
    /// <param name="report">Takes the member of each fault, and what is wrong with it.</param>
    public static void Check(ContractRule rule, IReadOnlyCollection<string> custom, Action<string, string> report)
    {
        if (!ContractRules.All.Contains(rule.Rule, StringComparer.Ordinal))
        {
            report("rule", $"{Given(rule.Rule)}; it must be one of {string.Join(", ", ContractRules.All)}.");
            return;
        }

        CheckPointer("path", rule.Path, report);
        if (rule.Severity is not (null or RuleSeverities.Error or RuleSeverities.Review))
        {
            report("severity", $"{Given(rule.Severity)}; it must be error or review.");
        }

        CheckLength("message", rule.Message, MaxMessage, report);
        foreach (var member in Members(rule).Where(member => member.IsGiven && !member.Of.Contains(rule.Rule, StringComparer.Ordinal)))
        {
            report(member.Name, $"is not for the rule {rule.Rule}; leave it out.");
        }

        CheckOwn(rule, custom, report);
    }

    private static void CheckOwn(ContractRule rule, IReadOnlyCollection<string> custom, Action<string, string> report)
    {
        switch (rule.Rule)
        {
            case ContractRules.Range when rule is { Min: null, Max: null } || rule.Min > rule.Max:
                report("min", "and max must not both be left out, and min must not be above max.");
                break;
            case ContractRules.Allowed when rule.Values is not { Count: > 0 and <= MaxValues }:
                report("values", $"must list 1 to {MaxValues} values.");
                break;
            case ContractRules.Allowed when rule.Values.Select(FaultOf).FirstOrDefault(fault => fault is not null) is { } unstorable:
                report("values", $"cannot be compared: {unstorable}.");
                break;
            case ContractRules.Compare or ContractRules.Sum:
                CheckOther(rule, report);
                break;
            case ContractRules.Cited when rule.AtLeast is < 0 or > 1000:
                report("at_least", "must be from 0 to 1000.");
                break;
            case ContractRules.Url
                when rule.Schemes is { Count: 0 or > MaxSchemes } || rule.Schemes?.Any(scheme => !Uri.CheckSchemeName(scheme)) == true:
                report("schemes", $"must list 1 to {MaxSchemes} names of schemes, such as https.");
                break;
            case ContractRules.Custom when rule.Name is null || !custom.Contains(rule.Name, StringComparer.Ordinal):
                report("name", $"{Given(rule.Name)}; registered are: {string.Join(", ", custom.Order(StringComparer.Ordinal))}.");
                break;
            case ContractRules.Judge:
                CheckJudge(rule, report);
                break;
        }
    }

    private static string? FaultOf(JsonElement value) => StorableJson.FaultOf(JsonMarshal.GetRawUtf8Value(value), default);

    private static void CheckOther(ContractRule rule, Action<string, string> report)
    {
        if (rule.With is null)
        {
            report("with", "is missing; it must be a JSON Pointer to the other value, such as /total.");
        }

        CheckPointer("with", rule.With, report);
        if (rule.Rule == ContractRules.Compare && !Operators.Contains(rule.Operator))
        {
            report("operator", $"{Given(rule.Operator)}; it must be one of {string.Join(' ', Operators)}.");
        }

        if (rule.Tolerance < 0)
        {
            report("tolerance", "must not be below 0.");
        }
    }

    private static void CheckJudge(ContractRule rule, Action<string, string> report)
    {
        if (string.IsNullOrWhiteSpace(rule.Criteria))
        {
            report("criteria", "is missing; say in words what makes an answer good.");
        }

        CheckLength("criteria", rule.Criteria, MaxCriteria, report);
        if (rule.Model is not { Length: > 0 and <= 128 })
        {
            report("model", "is missing; it must name a route or model, in 1 to 128 characters.");
        }

        if (rule.MinScore is { } score && !(score >= 0 && score <= 1))
        {
            report("min_score", "must be from 0 to 1.");
        }

        if (rule.Path is not null)
        {
            report("path", "is not for the rule judge, which reads the whole answer; leave it out.");
        }
    }

    private static void CheckPointer(string member, string? pointer, Action<string, string> report)
    {
        CheckLength(member, pointer, MaxPath, report);
        if (pointer is not null && JsonPointers.Parse(pointer) is null)
        {
            report(member, $"{Given(pointer)}; it must be a JSON Pointer, such as /items/*/price.");
        }
    }

    private static void CheckLength(string member, string? text, int most, Action<string, string> report)
    {
        if (text?.Length > most)
        {
            report(member, FormattableString.Invariant($"has {text.Length} characters; at most {most} are allowed."));
        }
    }

    private static string Given(string? value) => value is null ? "is missing" : $"is \"{(value.Length > 80 ? value[..80] : value)}\"";

    private static IEnumerable<(string Name, bool IsGiven, string[] Of)> Members(ContractRule rule) =>
        [
            ("min", rule.Min is not null, [ContractRules.Range]),
            ("max", rule.Max is not null, [ContractRules.Range]),
            ("values", rule.Values is not null, [ContractRules.Allowed]),
            ("operator", rule.Operator is not null, [ContractRules.Compare]),
            ("with", rule.With is not null, [ContractRules.Compare, ContractRules.Sum]),
            ("tolerance", rule.Tolerance is not null, [ContractRules.Sum]),
            ("at_least", rule.AtLeast is not null, [ContractRules.Cited]),
            ("schemes", rule.Schemes is not null, [ContractRules.Url]),
            ("name", rule.Name is not null, [ContractRules.Custom]),
            ("model", rule.Model is not null, [ContractRules.Judge]),
            ("criteria", rule.Criteria is not null, [ContractRules.Judge]),
            ("min_score", rule.MinScore is not null, [ContractRules.Judge]),
        ];
}
