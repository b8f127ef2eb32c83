using System.Diagnostics.Metrics;

namespace AiBackend.Web.Runs;

/// <summary>What this site measures about streams.</summary>
internal sealed class RunMetrics
{
    public const string MeterName = "AiBackend.Web";

    private readonly Counter<long> _mismatches;

    public RunMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _mismatches = meter.CreateCounter<long>(
            "ui_stream_mismatch_total",
            unit: "{run}",
            description: "Runs whose text as streamed differed from the stored text and was replaced. Always 0 unless something is wrong."
        );
    }

    public void StreamMismatched() => _mismatches.Add(1);
}
