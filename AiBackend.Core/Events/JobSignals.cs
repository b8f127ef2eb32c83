using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace AiBackend.Core.Events;

/// <summary>Sends <see cref="IJobSignals"/> through Redis.</summary>
public sealed class JobSignals(IRedisChannels redis, IReadyQueue queue, IOptions<RedisOptions> options) : IJobSignals
{
    private readonly string _events = EventsChannel(options.Value);
    private readonly string _cancels = CancelsChannel(options.Value);

    /// <inheritdoc />
    public void Submitted(IReadOnlyList<NewJob> jobs)
    {
        if (jobs.Count > 0)
        {
            Send(() => queue.OfferNewAsync(jobs));
        }
    }

    /// <inheritdoc />
    public void Queued(IReadOnlyList<Guid> jobIds) => Submitted([.. jobIds.Select(id => new NewJob(id, Guid.Empty))]);

    /// <inheritdoc />
    public void Committed(IReadOnlyList<JobEventRecord> events)
    {
        if (events.Count > 0)
        {
            Send(() => redis.PublishAsync(_events, EventBundle.Encode(events)));
        }
    }

    /// <inheritdoc />
    public void CancelRequested(Guid jobId) => Send(() => redis.PublishAsync(_cancels, jobId.ToByteArray(bigEndian: true)));

    internal static string EventsChannel(RedisOptions options) => $"{options.KeyPrefix}:events";

    internal static string CancelsChannel(RedisOptions options) => $"{options.KeyPrefix}:cancels";

    /// <summary>Sends without waiting: the commit has happened, and nobody may depend on the hint.</summary>
    private void Send(Func<Task> send)
    {
        _ = SendAsync();

        async Task SendAsync()
        {
            try
            {
                await send();
            }
            catch (Exception failure) when (failure is RedisException or TimeoutException or ObjectDisposedException)
            {
                redis.ReportFailure(failure);
            }
        }
    }
}
