using AiBackend.Core.Database;

namespace AiBackend.Tests.Simulation;

/// <summary>A simulated store loses single calls and is never away, so nobody has to wait for it.</summary>
internal sealed class ReachableStorage : IStorageWatch
{
    public bool IsAway => false;

    public StorageTrouble? Recent => null;

    public TimeSpan? SinceAway => null;

    public bool Report(Exception failure) => StorageFailures.Of(failure) is not null;

    public Task WaitUntilBackAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
