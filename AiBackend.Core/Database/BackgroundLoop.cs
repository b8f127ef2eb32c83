namespace AiBackend.Core.Database;

/// <summary>Starts the loops that live as long as their owner.</summary>
internal static class BackgroundLoop
{
    /// <summary>On the caller's synchronization context when there is one, so that whoever owns it owns all that runs; else in the pool.</summary>
    /// <param name="loop">Must await before it does any work.</param>
    public static Task Start(Func<Task> loop) => SynchronizationContext.Current is null ? Task.Run(loop) : loop();
}
