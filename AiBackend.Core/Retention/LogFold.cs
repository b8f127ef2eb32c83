using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;

namespace AiBackend.Core.Retention;

/// <summary>Deltas that one snapshot replaces.</summary>
/// <param name="First">Number of the first of them.</param>
/// <param name="Last">Number of the last, which becomes the snapshot.</param>
/// <param name="Snapshot">Its payload.</param>
internal readonly record struct CompactedRun(int First, int Last, byte[] Snapshot);

/// <summary>Says what of an ended job's log becomes what. Pure.</summary>
/// <remarks>
/// Each run of neighbouring deltas becomes a snapshot of all text its attempt has written by then, with the number of the last delta.
/// So numbers are missing only right before a snapshot, wherever a reader resumes. An attempt has one run unless a notice parts it.
/// Text that a later reset takes away is not kept.
/// </remarks>
internal static class LogFold
{
    public static IReadOnlyList<CompactedRun> Compact(IReadOnlyList<JobEventRecord> log)
    {
        var resets = LastResets(log);
        var texts = new Dictionary<int, StringBuilder>();
        var runs = new List<CompactedRun>();
        for (var i = 0; i < log.Count; i++)
        {
            switch (log[i].Kind)
            {
                case JobEventKind.Delta:
                    var end = EndOfRun(log, i);
                    var attempt = Read(log[i]).Attempt;
                    var text = TextOf(attempt);
                    foreach (var delta in log.Skip(i).Take(end - i))
                    {
                        text.Append(Read(delta).Text);
                    }

                    var isDropped = resets.GetValueOrDefault(attempt) > log[end - 1].Seq;
                    if (isDropped || end - i > 1)
                    {
                        var snapshot = new SnapshotEvent(attempt, isDropped ? "" : text.ToString());
                        runs.Add(new(log[i].Seq, log[end - 1].Seq, JobEventPayload.Of(snapshot)));
                    }

                    i = end - 1;
                    break;
                case JobEventKind.Snapshot:
                    var whole = JsonSerializer.Deserialize(log[i].Data.Span, StoredJson.Lenient.SnapshotEvent)!;
                    TextOf(whole.Attempt).Clear().Append(whole.Text);
                    break;
                case JobEventKind.Reset:
                    TextOf(JsonSerializer.Deserialize(log[i].Data.Span, StoredJson.Lenient.ResetEvent)!.Attempt).Clear();
                    break;
            }
        }

        return runs;

        StringBuilder TextOf(int attempt) => texts.TryGetValue(attempt, out var text) ? text : texts[attempt] = new StringBuilder();
    }

    /// <summary>Number of the last reset of each attempt.</summary>
    private static Dictionary<int, int> LastResets(IReadOnlyList<JobEventRecord> log)
    {
        var resets = new Dictionary<int, int>();
        foreach (var record in log.Where(record => record.Kind == JobEventKind.Reset))
        {
            resets[JsonSerializer.Deserialize(record.Data.Span, StoredJson.Lenient.ResetEvent)!.Attempt] = record.Seq;
        }

        return resets;
    }

    /// <returns>Index behind the deltas of one attempt that follow each other from <paramref name="start"/> on.</returns>
    private static int EndOfRun(IReadOnlyList<JobEventRecord> log, int start)
    {
        var attempt = Read(log[start]).Attempt;
        var end = start + 1;
        while (
            end < log.Count
            && log[end].Kind == JobEventKind.Delta
            && log[end].Seq == log[end - 1].Seq + 1
            && Read(log[end]).Attempt == attempt
        )
        {
            end++;
        }

        return end;
    }

    private static DeltaEvent Read(JobEventRecord delta) => JsonSerializer.Deserialize(delta.Data.Span, StoredJson.Lenient.DeltaEvent)!;
}
