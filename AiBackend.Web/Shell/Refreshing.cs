namespace AiBackend.Web.Shell;

/// <summary>Keeps a page current until its reader leaves.</summary>
internal static class Refreshing
{
    public static async Task RunAsync(TimeProvider clock, TimeSpan period, Func<Task> refresh, CancellationToken leaving)
    {
        using var timer = new PeriodicTimer(period, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(leaving))
            {
                await refresh();
            }
        }
        catch (OperationCanceledException) when (leaving.IsCancellationRequested)
        {
            // The reader left.
        }
    }
}
