using System.Reflection;
using System.Text.RegularExpressions;

namespace AiBackend.Tests.Architecture;

/// <summary>docs/reliability.md promises nothing that no test looks at.</summary>
public sealed partial class ReliabilityPaperTests
{
    private static readonly string[] TestNames =
    [
        .. typeof(ReliabilityPaperTests)
            .Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Where(method => method.GetCustomAttribute<FactAttribute>() is not null)
            .Select(method => $"_{method.Name}_"),
    ];

    // What the chaos runs decide of every run, beside the tests that are named after one promise.
    private static readonly string Checker = string.Concat(
        Directory.EnumerateFiles(Repository.Full("AiBackend.Tests/Chaos/Invariants"), "*.cs").Select(File.ReadAllText)
    );

    [Fact]
    public void Every_promise_and_every_fault_has_a_test_that_carries_its_id()
    {
        var ids = Rows().Matches(Repository.Read("docs/reliability.md")).SelectMany(row => Ids().Matches(row.Value)).ToList();

        Assert.True(ids.Count > 40, $"Only {ids.Count} ids were found: the tables have another form than this test reads.");
        var untested = ids.Select(id => id.Value).Where(id => !IsTested(id));
        Findings.None("Each id needs a test that carries it, or an invariant of the chaos checker.", untested);
    }

    private static bool IsTested(string id) =>
        TestNames.Any(name => name.Contains($"_{id.Replace('-', '_')}_", StringComparison.OrdinalIgnoreCase))
        || Checker.Contains($"\"{id}\"", StringComparison.Ordinal);

    [GeneratedRegex(@"^\| [FI]-[^|]+\|", RegexOptions.Multiline)]
    private static partial Regex Rows();

    [GeneratedRegex(@"[FI]-\d+")]
    private static partial Regex Ids();
}
