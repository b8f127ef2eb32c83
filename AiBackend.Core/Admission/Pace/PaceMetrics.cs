using System.Diagnostics.Metrics;

namespace AiBackend.Core.Admission.Pace;

/// <summary>The pace of slowed deployments as a measurement.</summary>
internal static class PaceMetrics
{
    public static void Observe(IMeterFactory meters, CallPaces paces) =>
        meters
            .Create("AiBackend.Admission")
            .CreateObservableGauge(
                "aibackend.provider.pace",
                () =>
                    paces.Slowed.Select(pace => new Measurement<double>(
                        pace.PerSecond,
                        new KeyValuePair<string, object?>("aibackend.provider.deployment", pace.Deployment)
                    )),
                "{call}/s",
                "Calls a second that a deployment which said it is asked too fast gets from all workers; nothing for others."
            );
}
