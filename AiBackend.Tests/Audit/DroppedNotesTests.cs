using System.Diagnostics.Metrics;
using AiBackend.Core.Audit;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Audit;

/// <summary>Whoever asks for more than can be written down at once is counted, and the log says it once.</summary>
public sealed class DroppedNotesTests : IDisposable
{
    private const int Room = 1_000;
    private const int Beyond = 37;

    private static readonly AuditActor Actor = new(Guid.CreateVersion7(), "aib_somebody", "get_job", null, null);

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly MeterListener _listener = new();
    private readonly FakeTime _clock = new();
    private readonly LogCounter _log = new();
    private readonly DroppedNotes _dropped;
    private long _counted;

    public DroppedNotesTests()
    {
        var meters = _services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters && instrument.Name == "aibackend.audit.dropped")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _counted, value));
        _listener.Start();
        _dropped = new DroppedNotes(meters, _clock, _log);
    }

    [Fact]
    public void D_18_attempts_that_find_no_room_are_counted_and_told_once_a_minute()
    {
        // Nobody reads: it is not started.
        using var attempts = new ForeignAttempts(null!, null!, _dropped, _clock, NullLogger<ForeignAttempts>.Instance);

        for (var i = 0; i < Room + Beyond; i++)
        {
            attempts.Note(Actor, "job", $"{i}");
        }

        Assert.Equal((Beyond, 1), (_counted, _log.Count));
        _clock.Advance(TimeSpan.FromMinutes(2));
        attempts.Note(Actor, "job", "another");
        Assert.Equal((Beyond + 1, 2), (_counted, _log.Count));
    }

    [Fact]
    public void D_18_refusals_that_find_no_room_are_counted_too()
    {
        using var refused = new RefusedActs(null!, _dropped, _clock, NullLogger<RefusedActs>.Instance);

        for (var i = 0; i < Room + Beyond; i++)
        {
            refused.Note(Actor, "refused", $"{i}");
        }

        Assert.Equal((Beyond, 1), (_counted, _log.Count));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _services.Dispose();
    }

    private sealed class LogCounter : ILogger<DroppedNotes>
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        ) => Count++;
    }
}
