namespace AiBackend.Tests.Architecture;

/// <summary>Decisions are numbered once, in order, and found from their index.</summary>
public sealed class DecisionRecordTests
{
    private static readonly string[] Sections =
    [
        "## Context",
        "## Options",
        "## Decision",
        "## Consequences",
        "## How we would notice it was wrong",
    ];

    private static string[] Records { get; } =
    [.. Directory.EnumerateFiles(Repository.Full("docs/adr"), "0*.md").Select(file => Path.GetFileName(file)).Order()];

    public static TheoryData<string> Files => [.. Records];

    [Fact]
    public void Numbers_begin_at_one_and_have_no_gaps_and_no_doubles()
    {
        Assert.Equal(Enumerable.Range(1, Records.Length).Select(number => $"{number:0000}"), Records.Select(file => file[..4]));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void A_record_is_in_the_index_and_has_every_section(string file)
    {
        var text = Repository.Read($"docs/adr/{file}");

        Assert.Contains($"[{file[..4]}]({file})", Repository.Read("docs/adr/README.md"));
        Assert.StartsWith($"# {file[..4]}. ", text);
        Assert.Matches(@"\nStatus: (proposed|accepted|replaced by \d{4}) · Date: \d{4}-\d\d-\d\d\n", text);
        Assert.All(Sections, section => Assert.Contains($"\n{section}\n", text));
    }
}
