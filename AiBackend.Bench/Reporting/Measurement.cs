using System.Text.Json.Serialization;

namespace AiBackend.Bench.Reporting;

/// <summary>One number of one run.</summary>
/// <param name="System">What was measured: <c>aibackend</c> or the name of a floor or baseline.</param>
/// <param name="Name">Which number.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Value">The number.</param>
internal sealed record Measurement(string System, string Name, string Unit, double Value);

/// <summary>A line of the result file.</summary>
internal sealed record ResultLine(string Workload, DateTimeOffset At, string System, string Name, string Unit, double Value);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ResultLine))]
internal sealed partial class ResultJson : JsonSerializerContext;
