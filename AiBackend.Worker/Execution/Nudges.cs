using System.Threading.Channels;

namespace AiBackend.Worker.Execution;

/// <summary>Ends a loop's wait before its time. Several nudges while the loop is busy are one.</summary>
internal sealed class Nudges(TimeProvider clock)
{
    private readonly Channel<bool> _given = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );

    public void Give() => _given.Writer.TryWrite(true);

    /// <summary>Returns at a nudge, when the time is up, and when the loop is to stop; which of them, the loop finds out.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken stoppingToken)
    {
        using var timeUp = new CancellationTokenSource(atMost, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeUp.Token, stoppingToken);
        try
        {
            await _given.Reader.ReadAsync(both.Token);
        }
        catch (OperationCanceledException)
        {
            // Nobody nudged.
        }
    }
}
