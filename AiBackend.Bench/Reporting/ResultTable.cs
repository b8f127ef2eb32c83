using System.Globalization;
using Spectre.Console;

namespace AiBackend.Bench.Reporting;

/// <summary>Prints medians over the runs, and the ratio to the baseline where there is one.</summary>
internal static class ResultTable
{
    private const string Product = "aibackend";

    public static void Print(string workload, IReadOnlyList<Measurement> measurements)
    {
        var baselines = measurements
            .Select(measured => measured.System)
            .Where(system => system != Product)
            .Distinct(StringComparer.Ordinal)
            .ToList();
        var table = new Table().Title(workload).AddColumn("measure").AddColumn("unit").AddColumn(new TableColumn(Product).RightAligned());
        foreach (var baseline in baselines)
        {
            table.AddColumn(new TableColumn(baseline).RightAligned()).AddColumn(new TableColumn($"ratio to {baseline}").RightAligned());
        }

        var hasGoals = measurements.Any(measured => measured.Verdict is not null);
        if (hasGoals)
        {
            table.AddColumn("goal");
        }

        foreach (var group in measurements.GroupBy(measured => (measured.Name, measured.Unit)))
        {
            var own = Median(group, Product);
            var cells = new List<string> { group.Key.Name, group.Key.Unit, Text(own) };
            foreach (var baseline in baselines)
            {
                var other = Median(group, baseline);
                cells.Add(Text(other));
                cells.Add(own / other is { } ratio ? string.Create(CultureInfo.InvariantCulture, $"{ratio:0.00}×") : "");
            }

            if (hasGoals)
            {
                // Of several runs the worst one.
                cells.Add((group.FirstOrDefault(measured => measured.IsMissed) ?? group.First()).Verdict ?? "");
            }

            table.AddRow([.. cells.Select(Markup.Escape)]);
        }

        AnsiConsole.Write(table);
    }

    private static double? Median(IEnumerable<Measurement> group, string system)
    {
        var values = group.Where(measured => measured.System == system).Select(measured => measured.Value).Order().ToList();
        return values.Count == 0 ? null : (values[(values.Count - 1) / 2] + values[values.Count / 2]) / 2;
    }

    private static string Text(double? value) =>
        value switch
        {
            null => "",
            >= 1000 => value.Value.ToString("N0", CultureInfo.InvariantCulture),
            _ => value.Value.ToString("0.##", CultureInfo.InvariantCulture),
        };
}
