using System.Collections.Concurrent;
using System.Threading.Channels;
using AiBackend.Core.Database;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Audit;

/// <summary>Writes down what was refused, off the request's path: the same refusal once a minute, so that nobody fills the log by asking.</summary>
public sealed class RefusedActs(AuditLog audit, DroppedNotes dropped, TimeProvider clock, ILogger<RefusedActs> logger) : BackgroundService
{
    private const int MostWaiting = 1_000;
    private const int MostRemembered = 10_000;
    private static readonly TimeSpan Once = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<(string Actor, string Action, string Name), long> _told = new();

    private readonly Channel<(AuditActor Actor, string Kind, string Name, string? Detail)> _waiting = Channel.CreateBounded<(
        AuditActor,
        string,
        string,
        string?
    )>(
        new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true },
        note => dropped.Add(note.Item1.Actor, note.Item1.Action)
    );

    /// <summary>Notes a refusal; it is written soon.</summary>
    /// <param name="actor">Who wanted what.</param>
    /// <param name="kind">Of what.</param>
    /// <param name="name">Which.</param>
    /// <param name="detail">More of it, as JSON; null is nothing.</param>
    public void Note(AuditActor actor, string kind, string name, string? detail = null)
    {
        var act = (actor.Actor, actor.Action, name);
        var now = clock.GetTimestamp();
        if (_told.TryGetValue(act, out var at) && clock.GetElapsedTime(at, now) < Once)
        {
            return;
        }

        if (_told.Count >= MostRemembered)
        {
            _told.Clear();
        }

        _told[act] = now;
        _waiting.Writer.TryWrite((actor, kind, name, detail));
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var (actor, kind, name, detail) in _waiting.Reader.ReadAllAsync(stoppingToken))
        {
            try
            {
                await audit.AddAsync(actor, kind, name, detail, stoppingToken);
            }
            catch (Exception failure) when (StorageFailures.MayCome(failure))
            {
                // Safe to go on: it was refused. The log says what the audit log lacks.
                logger.RefusalNotRecorded(failure, actor.Action, actor.Actor);
            }
        }
    }
}
