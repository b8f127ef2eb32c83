using System.Globalization;
using System.Text;

namespace AiBackend.Tests.Chaos.Invariants;

/// <summary>Decides every invariant whose feature exists.</summary>
internal static class Checker
{
    public static IReadOnlyList<Finding> Check(Evidence evidence) =>
        [
            JobInvariants.EndsOnce(evidence),
            JobInvariants.StaysEnded(evidence),
            ClientInvariants.OneJobPerKey(evidence),
            JobInvariants.LeavesOneResult(evidence),
            EffectInvariants.EffectsHappenOnce(evidence),
            JobInvariants.NumbersAreGapless(evidence),
            ClientInvariants.ReadersSeeTheTruth(evidence),
            OwnerInvariants.OnlyTheHolderWrites(evidence),
            OwnerInvariants.OneOwnerAtATime(evidence),
            JobInvariants.FailuresSayWhy(evidence),
            JobInvariants.TriesAreBounded(evidence),
            JobInvariants.NoneStarves(evidence),
            ClientInvariants.RedisIsDisposable(evidence),
            EffectInvariants.StepsAreDoneOnce(evidence),
            ClientInvariants.CancelStops(evidence),
            OwnerInvariants.StopsInOrder(evidence),
            JobInvariants.StatesAreKnown(evidence),
        ];

    /// <summary>The verdict as a table: what was checked how often, or never; what was violated; which faults were reached.</summary>
    public static string Table(IReadOnlyList<Finding> findings, IEnumerable<(string What, string Value)> facts)
    {
        var text = new StringBuilder();
        foreach (var finding in findings)
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"{finding.Id, -5} {finding.Says, -62} {(finding.IsUndecided ? "NO EVIDENCE: nothing was examined" : Counts(finding))}"
            );
            foreach (var violation in finding.Violations.Take(5))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"      {violation}");
            }
        }

        foreach (var (what, value) in facts)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"      {what, -62} {value, 8}");
        }

        return text.ToString();
    }

    private static string Counts(Finding finding) =>
        string.Create(CultureInfo.InvariantCulture, $"{finding.Checked, 8} checked {finding.Violations.Count, 6} violated");
}
