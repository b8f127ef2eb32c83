using AiBackend.Core.Alerts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Redis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Events;

/// <summary>Registers the event log and its notifications.</summary>
public static class EventsRegistration
{
    /// <summary>Adds what every writer of events needs: the signals that follow a commit.</summary>
    public static void AddJobSignals(this IHostApplicationBuilder builder) =>
        builder
            .Services.AddSingleton<IMessageStore, MessageStore>()
            .AddSingleton<ForgedMessages>()
            .AddSingleton<IAlertSource, ForgedMessageAlerts>()
            .AddSingleton<MessageSeal>()
            .AddSingleton<IJobSignals, JobSignals>()
            .AddSingleton<CancelSignals>();

    /// <summary>Adds what readers of events need.</summary>
    public static void AddJobEventReading(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddSingleton<IJobEventLog, JobEventLog>()
            .AddSingleton<EndedJobs>()
            .AddSingleton<JobEventFeed>()
            .AddSingleton<JobEventReader>();
        builder.Services.AddHostedService(services => services.GetRequiredService<JobEventFeed>());
    }
}

/// <summary>Listens for cancel requests on behalf of whoever runs jobs.</summary>
public sealed class CancelSignals(IRedisChannels redis, MessageSeal seal, IOptions<RedisOptions> options)
{
    /// <summary>Calls <paramref name="cancel"/> with every job whose cancellation is asked for from now on.</summary>
    public async Task SubscribeAsync(Action<Guid> cancel)
    {
        await seal.PrepareAsync();
        var channel = JobSignals.CancelsChannel(options.Value);
        await redis.SubscribeAsync(
            channel,
            message =>
            {
                if (seal.Open(channel, message) is { Length: 16 } id)
                {
                    cancel(new Guid(id.Span, bigEndian: true));
                }
            }
        );
    }
}
