using System.Diagnostics;

namespace AiBackend.Tests.Fixtures;

/// <summary>Asks again until the answer is right or the deadline has passed; never a bare sleep.</summary>
public static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(80);

    // Two tests at a time on two cores of a machine that may have more to do: slow is not wrong.
    private static readonly int Factor = TestRun.IsContinuousIntegration ? 3 : 1;

    /// <summary>Waits until <paramref name="condition"/> holds.</summary>
    /// <param name="what">Completes "Expected within 10 s that …" when it never does.</param>
    public static Task TrueAsync(Func<CancellationToken, Task<bool>> condition, string what, TimeSpan? within = null) =>
        GetAsync(condition, holds => holds, what, within);

    /// <inheritdoc cref="TrueAsync(Func{CancellationToken, Task{bool}}, string, TimeSpan?)"/>
    public static Task TrueAsync(Func<bool> condition, string what, TimeSpan? within = null) =>
        TrueAsync(_ => Task.FromResult(condition()), what, within);

    /// <summary>Reads until <paramref name="accept"/> takes the value, and returns that value.</summary>
    /// <remarks>A read that throws counts as a value that was not accepted; the last one is in the failure message.</remarks>
    public static async Task<T> GetAsync<T>(
        Func<CancellationToken, Task<T>> read,
        Func<T, bool> accept,
        string what,
        TimeSpan? within = null
    )
    {
        var (patience, pause) = ((within ?? Patience) * Factor, ShortestPause);
        var watch = Stopwatch.StartNew();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        deadline.CancelAfter(patience);
        string last;
        do
        {
            try
            {
                var value = await read(deadline.Token);
                if (accept(value))
                {
                    return value;
                }

                last = $"the last value was {value}";
            }
            catch (Exception failure) when (!TestRun.Cancel.IsCancellationRequested)
            {
                last = $"the last read failed: {failure.GetType().Name}: {failure.Message}";
            }

            await Task.Delay(pause, TimeProvider.System, TestRun.Cancel);
            pause = pause < LongestPause ? pause * 1.2 : LongestPause;
        } while (watch.Elapsed < patience);

        Assert.Fail($"Expected within {patience.TotalSeconds:0.#} s that {what}; {last}.");
        throw new UnreachableException();
    }
}
