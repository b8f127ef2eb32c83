using AiBackend.Core.Events;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Jobs;

internal static class WholeLog
{
    /// <summary>All pages of a job's log.</summary>
    public static async Task<IReadOnlyList<JobEventRecord>> ReadAllAsync(this IJobEventLog log, Guid jobId)
    {
        const int PageSize = 1000;
        var events = new List<JobEventRecord>();
        EventPage page;
        do
        {
            page = await log.ReadAsync(jobId, events is [.., var last] ? last.Seq : 0, PageSize, CancellationToken.None);
            events.AddRange(page.Events);
        } while (page.IsFull);

        return events;
    }
}
