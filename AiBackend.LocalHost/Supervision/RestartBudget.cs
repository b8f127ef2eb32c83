namespace AiBackend.LocalHost.Supervision;

/// <summary>How long to wait before a process that died is started again: 0.25 s doubling, and at most five starts in any minute.</summary>
internal sealed class RestartBudget(TimeProvider time)
{
    public const int MaxRestartsPerMinute = 5;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Queue<DateTimeOffset> _restarts = new();

    public TimeSpan Next()
    {
        var now = time.GetUtcNow();
        while (_restarts.TryPeek(out var oldest) && oldest + Window <= now)
        {
            _restarts.Dequeue();
        }

        var delay = FirstDelay * Math.Pow(2, _restarts.Count);
        if (_restarts.Count >= MaxRestartsPerMinute)
        {
            var windowOpensIn = _restarts.Dequeue() + Window - now;
            delay = windowOpensIn > delay ? windowOpensIn : delay;
        }

        _restarts.Enqueue(now + delay);
        return delay;
    }
}
