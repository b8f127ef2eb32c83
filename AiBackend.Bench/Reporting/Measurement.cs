using System.Globalization;
using System.Text.Json.Serialization;

namespace AiBackend.Bench.Reporting;

/// <summary>One number of one run.</summary>
/// <param name="System">What was measured: <c>aibackend</c> or the name of a floor or baseline.</param>
/// <param name="Name">Which number.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Value">The number.</param>
internal sealed record Measurement(string System, string Name, string Unit, double Value)
{
    /// <summary>The goal is reached when it is no more than this.</summary>
    public double? AtMost { get; init; }

    /// <summary>The goal is reached when it is no less than this.</summary>
    public double? AtLeast { get; init; }

    /// <summary>The goal and whether it is reached; null without one.</summary>
    public string? Verdict =>
        AtMost is { } most ? string.Create(CultureInfo.InvariantCulture, $"≤ {most}: {(Value <= most ? "reached" : "missed")}")
        : AtLeast is { } least ? string.Create(CultureInfo.InvariantCulture, $"≥ {least}: {(Value >= least ? "reached" : "missed")}")
        : null;

    /// <summary>Whether its goal is missed.</summary>
    public bool IsMissed => !(AtMost is not { } most || Value <= most) || !(AtLeast is not { } least || Value >= least);
}

/// <summary>A line of the result file.</summary>
internal sealed record ResultLine(string Workload, DateTimeOffset At, string System, string Name, string Unit, double Value);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ResultLine))]
internal sealed partial class ResultJson : JsonSerializerContext;
