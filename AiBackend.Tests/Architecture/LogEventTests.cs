using System.Globalization;
using System.Text.RegularExpressions;

namespace AiBackend.Tests.Architecture;

/// <summary>An operator who filters by event number finds one message, where docs/operations.md says it is.</summary>
public sealed partial class LogEventTests
{
    [Fact]
    public async Task Every_log_event_has_a_number_of_its_own()
    {
        var events = await EventsAsync();

        Assert.NotEmpty(events);
        Findings.None("One number, one event.", events.GroupBy(found => found.Id).Where(same => same.Count() > 1).SelectMany(same => same));
    }

    [Fact]
    public async Task Every_log_event_is_in_the_documented_range_of_its_folder()
    {
        var ranges = Range()
            .Matches(Repository.Read("docs/operations.md"))
            .Select(row => (First: Number(row.Groups["first"]), Last: Number(row.Groups["last"]), Folder: row.Groups["folder"].Value + "/"))
            .ToList();

        var events = await EventsAsync();
        var outside = events.Where(found =>
            !ranges.Exists(range =>
                found.Id >= range.First && found.Id <= range.Last && found.File.StartsWith(range.Folder, StringComparison.Ordinal)
            )
        );

        Assert.NotEmpty(ranges);
        Findings.None("Take the next free number of the folder's range in docs/operations.md.", outside);
        Findings.None(
            "A range of docs/operations.md without any event is not true.",
            ranges.Where(range => !events.Exists(found => found.Id >= range.First && found.Id <= range.Last))
        );
    }

    private static async Task<List<(int Id, string File)>> EventsAsync() =>
        [
            .. (await Repository.FilesAsync())
                .Where(file => file.EndsWith(".cs") && !file.StartsWith("AiBackend.Tests/"))
                .SelectMany(file => Event().Matches(Repository.Read(file)).Select(match => (Number(match.Groups["id"]), file))),
        ];

    private static int Number(Group digits) => int.Parse(digits.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\[LoggerMessage\(\s*(EventId = )?(?<id>\d+)")]
    private static partial Regex Event();

    [GeneratedRegex(@"^\| (?<first>\d{4})[-–](?<last>\d{4}) \| `(?<folder>[\w./]+)`", RegexOptions.Multiline)]
    private static partial Regex Range();
}
