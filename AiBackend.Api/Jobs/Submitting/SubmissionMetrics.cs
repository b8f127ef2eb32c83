using System.Diagnostics.Metrics;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Submissions that were turned away.</summary>
internal sealed class SubmissionMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _refused = meters
        .Create("AiBackend.Api")
        .CreateCounter<long>("aibackend.job.refused", "{job}", "Submissions refused because too much waits.");

    public void Refused(string limit) => _refused.Add(1, new KeyValuePair<string, object?>("aibackend.limit", limit));
}
