using AiBackend.ApiContracts.Money;
using static System.FormattableString;

namespace AiBackend.Web.Costs;

/// <summary>What the page of costs shows, as it stands in the address: a time, a way to tell calls apart, and a choice of them.</summary>
public sealed record CostView
{
    /// <summary>What calls can be told apart by: the word in the address, the one on the page, and the Api's.</summary>
    public static IReadOnlyList<(string Name, string Word, string Groups)> Ways { get; } =
    [
        ("day", "Day", "day"),
        ("model", "Model", "provider,model"),
        ("feature", "Feature", "feature"),
        ("user", "User", "user"),
        ("key", "Key", "key"),
        ("tenant", "Tenant", "tenant"),
    ];

    /// <summary>Days to look back, today included.</summary>
    public static IReadOnlyList<(int Days, string Word)> Periods { get; } =
    [(1, "Today"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "A year")];

    private static readonly string[] FilterNames = ["tenant", "provider", "model", "feature", "user", "key"];

    public int Days { get; init; } = 30;

    public string By { get; init; } = "day";

    /// <summary>What was chosen, in the order of the names.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Only { get; init; } = [];

    /// <summary>Another tenant, or <c>*</c>; null is the own one.</summary>
    public string? Tenant => Only.FirstOrDefault(each => each.Key == "tenant").Value;

    /// <summary>Reads an address; what it does not know is as if it were not there.</summary>
    public static CostView Of(int? days, string? by, Func<string, string?> value) =>
        new()
        {
            Days = Periods.Any(period => period.Days == days) ? days!.Value : 30,
            By = Ways.Any(way => way.Name == by) ? by! : "day",
            Only =
            [
                .. FilterNames.Where(name => value(name) is not null).Select(name => new KeyValuePair<string, string>(name, value(name)!)),
            ],
        };

    /// <summary>Everybody's costs instead of the own ones, or the other way round.</summary>
    public CostView With(string? tenant) =>
        this with
        {
            Only = [.. Chosen(("tenant", tenant)), .. Only.Where(each => each.Key != "tenant")],
        };

    /// <summary>Only what is in this row, by day.</summary>
    public CostView Into(UsageRow row) =>
        this with
        {
            By = "day",
            Only =
            [
                .. Chosen(
                    ("tenant", row.Tenant ?? Tenant),
                    ("provider", row.Provider ?? ValueOf("provider")),
                    ("model", row.Model ?? ValueOf("model")),
                    ("feature", row.Feature ?? ValueOf("feature")),
                    ("user", row.User ?? ValueOf("user")),
                    ("key", row.Key ?? ValueOf("key"))
                ),
            ],
        };

    /// <summary>Without one choice.</summary>
    public CostView Without(string name) => this with { Only = [.. Only.Where(each => each.Key != name)] };

    /// <summary>The address of this view.</summary>
    public string Address
    {
        get
        {
            string[] parts =
            [
                .. Days == 30 ? [] : (string[])[Invariant($"days={Days}")],
                .. By == "day" ? [] : (string[])["by=" + By],
                .. Choices,
            ];
            return parts.Length == 0 ? "costs" : "costs?" + string.Join('&', parts);
        }
    }

    /// <summary>What the Api is asked for.</summary>
    public string Query(string groups, DateTimeOffset now) =>
        string.Join('&', [$"group_by={groups}", Invariant($"from={now.UtcDateTime.AddDays(1 - Days):yyyy-MM-dd}"), .. Choices]);

    /// <summary>The same for today alone.</summary>
    public string TodayQuery(DateTimeOffset now) =>
        string.Join('&', ["group_by=day", Invariant($"from={now.UtcDateTime:yyyy-MM-dd}"), .. Choices]);

    private IEnumerable<string> Choices => Only.Select(each => each.Key + "=" + Uri.EscapeDataString(each.Value));

    private string? ValueOf(string name) => Only.FirstOrDefault(each => each.Key == name).Value;

    private static IEnumerable<KeyValuePair<string, string>> Chosen(params (string Name, string? Value)[] choices) =>
        choices.Where(each => each.Value is not null).Select(each => new KeyValuePair<string, string>(each.Name, each.Value!));
}
