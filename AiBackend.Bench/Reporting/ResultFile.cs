using System.Text.Json;

namespace AiBackend.Bench.Reporting;

/// <summary>Appends measurements to a file, one JSON object a line.</summary>
internal static class ResultFile
{
    public static async Task AppendAsync(
        FileInfo file,
        string workload,
        IEnumerable<Measurement> measurements,
        CancellationToken cancellationToken
    )
    {
        var now = TimeProvider.System.GetUtcNow();
        await File.AppendAllLinesAsync(
            file.FullName,
            measurements.Select(measured =>
                JsonSerializer.Serialize(
                    new ResultLine(workload, now, measured.System, measured.Name, measured.Unit, measured.Value),
                    ResultJson.Default.ResultLine
                )
            ),
            cancellationToken
        );
    }
}
