using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace AiBackend.Core.Events;

/// <summary>Sends <see cref="IJobSignals"/> through Redis.</summary>
public sealed class JobSignals(IRedisChannels redis, IReadyQueue queue, MessageSeal seal, IOptions<RedisOptions> options) : IJobSignals
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
            Send(() => PublishAsync(_events, EventBundle.Encode(events)));
        }
    }

    /// <inheritdoc />
    public void CancelRequested(Guid jobId) => Send(() => PublishAsync(_cancels, jobId.ToByteArray(bigEndian: true)));

    internal static string EventsChannel(RedisOptions options) => $"{options.KeyPrefix}:events";

    internal static string CancelsChannel(RedisOptions options) => $"{options.KeyPrefix}:cancels";

    private async Task PublishAsync(string channel, byte[] message) =>
        await redis.PublishAsync(channel, await seal.SealAsync(channel, message));

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
            catch (Exception failure) when (StorageFailures.MayCome(failure))
            {
                // Safe to go on: the key could not be read yet, and whoever waits for the message finds the same in Postgres.
            }
        }
    }
}
