using System.Text.RegularExpressions;

namespace AiBackend.Tests.Architecture;

/// <summary>Which feature of Core may know which. A new edge is a decision: add it here and say why in the commit.</summary>
public sealed partial class FeatureEdgeTests
{
    private static readonly string[] Ground = ["Audit", "Database", "Faults", "Redis", "Telemetry", "Tenancy"];

    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        // Test builds can be told to die anywhere; what is shipped has none of it.
        ["Faults"] = [],
        ["Database"] = ["Faults"],
        ["Redis"] = [],
        ["Telemetry"] = [],
        // What of texts and JSON can be stored; for whoever takes them from outside.
        ["Texts"] = [],
        // Tables write it down by themselves; who acts is said by whoever changes one.
        ["Audit"] = ["Database"],
        ["Tenancy"] = ["Audit", "Database", "Telemetry"],
        // What an answer must be; knows nothing of jobs, so that anything can be checked.
        ["Contracts"] = ["Texts"],
        // Texts that answers may rest on; who asks, and what for, is the asker's business. What they mean, models say.
        ["Knowledge"] = ["Audit", "Database", "Faults", "Providers"],
        // What was said; jobs continue it, and one waits for the other.
        ["Conversations"] = ["Audit", "Database", "Jobs"],
        // Steps that are jobs; what a step asks of them is checked as for any job.
        // Of tools it knows those that a run may call in its own look.
        ["Workflows"] = ["Audit", "Contracts", "Database", "Jobs", "Texts", "Tools"],
        // Texts and what goes into them; of jobs it knows their ids, and what became of those it was used for.
        ["Prompts"] = ["Audit", "Database", "Jobs"],
        // What is worth an alert is said by whoever knows, and raised in one place.
        ["Alerts"] = [],
        // The one way to addresses that tenants name; knows nothing of why.
        ["Egress"] = ["Telemetry"],
        // Sends messages, whoever wrote them and whatever they are about.
        ["Webhooks"] = ["Audit", "Database", "Egress", "Secrets", "Telemetry", "Tenancy"],
        // What models call: arguments are checked like answers, calls leave by the guard, and jobs wait for them. One looks into the tenant's texts.
        ["Tools"] = [.. Ground, "Contracts", "Egress", "Jobs", "Knowledge", "Secrets", "Texts"],
        // What is stored and nobody may read.
        ["Secrets"] = [],
        // What a job is depends on nobody who moves, shows or runs it.
        // Decisions of reviewers are written down in the audit log.
        ["Jobs"] = ["Audit", "Database", "Faults", "Telemetry", "Tenancy", "Texts"],
        // A call to a model knows nothing of jobs, so that anything can make one.
        ["Providers"] = ["Faults", "Telemetry", "Texts"],
        ["Queue"] = [.. Ground, "Jobs"],
        // Counts calls for providers, which do not know where.
        ["Admission"] = [.. Ground, "Money", "Providers"],
        // Prices and budgets; of calls it knows what they used.
        ["Money"] = [.. Ground, "Alerts"],
        // What operators set about providers; priorities are named as those of jobs.
        ["Routing"] = [.. Ground, "Jobs", "Providers", "Secrets"],
        // Answers that equal jobs share.
        ["Cache"] = [.. Ground, "Jobs"],
        // What operators hold back: work in the queue, and calls in front of whatever else counts them.
        ["Controls"] = [.. Ground, "Queue", "Providers", "Admission"],
        // What follows a commit is told both to readers and to the queue; who forges what is told calls for a person.
        ["Events"] = [.. Ground, "Alerts", "Jobs", "Queue"],
        // What became of jobs that failed for good, and new jobs made of them, which belong to a pool.
        ["DeadLetters"] = [.. Ground, "Alerts", "Jobs", "Queue", "Webhooks"],
        // What a tenant keeps, takes along and has deleted: the schema knows its tables, and running jobs are cancelled first.
        ["Privacy"] = ["Audit", "Database", "Jobs"],
        // Age is decided by the schema's own functions; of jobs it knows what their events mean, and what was done about dead ones ages too.
        ["Retention"] = ["Database", "Telemetry", "Jobs", "DeadLetters"],
        // Reads of everything, for people; and which keys providers have refused, for all processes that ask them.
        ["Operations"] = [.. Ground, "Events", "Jobs", "Providers", "Queue"],
        // Where requests of a file stand; what a request is, the Api knows.
        ["Batches"] = ["Database", "Files"],
        // Files of tenants: bytes, whatever they are for.
        ["Files"] = ["Database", "Faults"],
        // Answers to requests that make no job, for those who ask again; what was shown once is kept encrypted.
        ["Repeats"] = ["Database", "Secrets", "Faults"],
    };

    private static string Core { get; } = Repository.Full("AiBackend.Core");

    public static TheoryData<string> Features =>
        [.. Directory.EnumerateDirectories(Core).Select(folder => Path.GetFileName(folder)).Except(["bin", "obj"])];

    [Theory]
    [MemberData(nameof(Features))]
    public void A_feature_uses_only_the_features_it_may_know(string feature)
    {
        Assert.True(Allowed.ContainsKey(feature), $"Core/{feature} is new: say in this test which features it may know.");

        var used = Sources(feature).SelectMany(source => UsedFeatures(source).Select(other => (other, Path.GetFileName(source))));

        var forbidden = used.Where(edge => edge.other != feature && !Allowed[feature].Contains(edge.other)).Select(edge => $"{edge}");
        Findings.None($"Core/{feature} may know {string.Join(", ", Allowed[feature])}.", forbidden);
    }

    [Theory]
    [MemberData(nameof(Features))]
    public void A_file_is_in_the_namespace_of_its_feature(string feature)
    {
        var elsewhere = Sources(feature)
            .Where(source =>
                !Regex.IsMatch(File.ReadAllText(source), $@"^namespace AiBackend\.Core\.{feature}[.;]", RegexOptions.Multiline)
            );

        Findings.None($"The namespace is AiBackend.Core.{feature}.", elsewhere);
    }

    private static IEnumerable<string> Sources(string feature) =>
        Directory.EnumerateFiles(Path.Combine(Core, feature), "*.cs", SearchOption.AllDirectories);

    /// <summary>
    /// Features whose types a file names: by import (the build refuses one that is not used), or qualified from
    /// <c>AiBackend.Core</c> or from the enclosing namespace. Comments do not count.
    /// </summary>
    private static IEnumerable<string> UsedFeatures(string source)
    {
        var code = Comment().Replace(File.ReadAllText(source), "");
        var imported = Import().Matches(code).Select(match => match.Groups["feature"].Value);
        var qualified = Allowed.Keys.Where(feature =>
            Types(feature).Any(type => code.Contains($"{feature}.{type}", StringComparison.Ordinal))
        );
        return imported.Concat(qualified).Distinct();
    }

    private static IEnumerable<string> Types(string feature) =>
        typeof(AiBackend.Core.Database.DatabaseMigrator)
            .Assembly.GetTypes()
            .Where(type => type.Namespace == $"AiBackend.Core.{feature}" && char.IsLetter(type.Name[0]))
            .Select(type => type.Name.Split('`')[0]);

    [GeneratedRegex(@"^\s*//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^using (static )?(\w+ = )?AiBackend\.Core\.(?<feature>\w+)", RegexOptions.Multiline)]
    private static partial Regex Import();
}
