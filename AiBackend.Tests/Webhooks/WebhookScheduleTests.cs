using AiBackend.Core.Database;
using AiBackend.Core.Egress;
using AiBackend.Core.Jobs;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Chaos;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Peers;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Webhooks;

/// <summary>When a message is tried that nobody takes. Postgres' clock decides, and a test turns the times in its rows back.</summary>
public sealed class WebhookScheduleTests(PostgresServer postgres, RedisServer redis)
    : TenantWebhooks(postgres, redis),
        IClassFixture<RedisServer>
{
    private static readonly TimeSpan[] Schedule =
    [
        TimeSpan.FromSeconds(5),
        TimeSpan.FromMinutes(5),
        TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(2),
        TimeSpan.FromHours(5),
        TimeSpan.FromHours(10),
        TimeSpan.FromHours(14),
        TimeSpan.FromHours(20),
        TimeSpan.FromHours(24),
    ];

    private readonly LogCount _log = new();

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(0.999)]
    public async Task D_12_each_of_nine_waits_is_as_the_schedule_says_and_the_tenth_try_is_the_last(double chance)
    {
        using var receiver = await ReceiverAsync("500");
        var address = await NodePeer.ListeningAsync(receiver);
        using var client = Client(address);
        var send = Sender(client, new Fixed(chance));
        var endpoint = await AddAsync(address.ToString());
        await EndAsync(AttemptEnd.Succeeded("A."));
        await Core.Get<WriteMessages>().RunAsync(TestRun.Cancel);

        foreach (var (wait, tries) in Schedule.Select((wait, i) => (wait, i + 1)))
        {
            await SendDueAsync(send);

            // The wait is counted from the end of the try, which is written down with it.
            var (state, made, waits) = await StateAsync();
            Assert.Equal((DeliveryState.Waiting, tries), (state, made));
            Assert.Equal((wait * (1 + chance / 10)).TotalSeconds, waits.TotalSeconds, 0.001);
            // Nothing until then: a twentieth of the wait, or four minutes, is left, which no test takes; the shortest one is over by itself.
            if (wait > Schedule[0])
            {
                await LeaveAsync(wait < TimeSpan.FromHours(1) ? TimeSpan.FromMinutes(4) : wait / 20);
                Assert.Equal(0, await send.BeginAsync(TestRun.Cancel));
            }

            await LeaveAsync(TimeSpan.Zero);
        }

        await SendDueAsync(send);
        await LeaveAsync(TimeSpan.Zero);
        Assert.Equal(0, await send.BeginAsync(TestRun.Cancel));
        Assert.Equal((DeliveryState.GivenUp, 10), ((await StateAsync()).State, (await StateAsync()).Tries));
        Assert.Equal(10, (await ReceivedWebhook.ReadAsync(receiver, 10)).Select(each => each.Id).Count(id => id is not null));
        var delivery = Assert.Single(await DeliveriesAsync(endpoint));
        Assert.Equal(("given_up", 10), (delivery.State, delivery.Attempts.Count));
        Assert.All(delivery.Attempts, attempt => Assert.Equal(500, attempt.Status));
        Assert.Equal((9, 1), (_log.Events.Count(number => number == 2800), _log.Events.Count(number => number == 2801)));
        // The endpoint is not given up: what comes later is sent, and what was given up does not come again.
        Assert.True((await FoundAsync(endpoint)).Enabled);
        await EndAsync(AttemptEnd.Succeeded("B."));
        await Core.Get<WriteMessages>().RunAsync(TestRun.Cancel);
        await SendDueAsync(send);
        var ids = (await ReceivedWebhook.ReadAsync(receiver, 11)).Select(each => each.Id).ToList();
        Assert.Equal(2, ids.Distinct(StringComparer.Ordinal).Count());
        Assert.NotEqual(ids[0], ids[10]);
    }

    private static async Task SendDueAsync(SendToTenants send)
    {
        Assert.Equal(1, await send.BeginAsync(TestRun.Cancel));
        await send.IdleAsync();
    }

    private async Task<(DeliveryState State, int Tries, TimeSpan Wait)> StateAsync()
    {
        await using var command = Core.Database.CreateCommand(
            """
            SELECT d.state, d.tries, d.next_at - t.at FROM webhook_deliveries d JOIN webhook_tries t ON t.endpoint = d.endpoint AND t.id = d.id AND t.try = d.tries
             ORDER BY d.created_at LIMIT 1
            """
        );
        var rows = await command.ReadAllAsync(
            row => ((DeliveryState)row.GetInt16(0), (int)row.GetInt16(1), row.GetFieldValue<TimeSpan>(2)),
            TestRun.Cancel
        );
        return Assert.Single(rows);
    }

    /// <summary>As if all of the wait had passed but this.</summary>
    private async Task LeaveAsync(TimeSpan left)
    {
        await using var command = Core.Database.CreateCommand("UPDATE webhook_deliveries SET next_at = now() + $1");
        command.Parameters.Add(new() { Value = left });
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private SendToTenants Sender(EgressClient client, Random random)
    {
        using var loggers = LoggerFactory.Create(builder => builder.AddProvider(_log));
        return new(
            Core.Get<DueEndpoints>(),
            new DeliverWebhooks(Core.Get<DeliveryStore>(), random, TimeProvider.System, loggers.CreateLogger<DeliverWebhooks>()),
            new WebhookSender(client, TimeProvider.System),
            Core.Get<IStorageWatch>(),
            TimeProvider.System,
            NullLogger<SendToTenants>.Instance
        );
    }

    private sealed class Fixed(double chance) : Random
    {
        public override double NextDouble() => chance;
    }
}
