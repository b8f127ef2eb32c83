using System.Collections.Concurrent;
using System.Diagnostics;

namespace AiBackend.Tests.Chaos;

/// <summary>Counts the warnings and errors of a process: an outage that is logged in a loop hides everything else and burns the machine.</summary>
public sealed class LogCount : ILoggerProvider
{
    private readonly ConcurrentQueue<(TimeSpan At, LogLevel Level, EventId Event, string Text)> _entries = new();
    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>Time since this count began.</summary>
    public TimeSpan Now => _watch.Elapsed;

    /// <summary>Numbers of the events that were logged, in order.</summary>
    public IReadOnlyList<int> Events => [.. _entries.Select(entry => entry.Event.Id)];

    /// <summary>Number and text of what was logged, in order.</summary>
    public IReadOnlyList<string> Lines => [.. _entries.Select(entry => $"{entry.Event.Id} {entry.Text}")];

    /// <summary>How many warnings and errors there may be since a moment: one a second, and a few for the beginning and the end.</summary>
    public void AssertCalm(TimeSpan since, int besides = 4)
    {
        var entries = _entries.Where(entry => entry.At >= since).ToList();
        var seconds = (Now - since).TotalSeconds;
        Assert.True(
            entries.Count <= seconds + besides,
            $"{entries.Count} entries in {seconds:0.0} s:\n{string.Join('\n', entries.Select(entry => $"{entry.At:ss\\.fff} {entry.Event.Id} {entry.Text}"))}"
        );
    }

    public ILogger CreateLogger(string categoryName) => new Counter(this);

    public void Dispose()
    {
        // Holds nothing.
    }

    private sealed class Counter(LogCount owner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (IsEnabled(logLevel))
            {
                owner._entries.Enqueue((owner.Now, logLevel, eventId, formatter(state, exception) + " " + exception?.Message));
            }
        }
    }
}
