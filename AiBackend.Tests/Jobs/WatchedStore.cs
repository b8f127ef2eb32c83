using System.Collections.Concurrent;
using System.Reflection;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

#pragma warning disable MA0053 // The proxy is derived from it.
/// <summary>The store, whose reads of ended jobs are noted, wait until they may go, and may fail.</summary>
public class WatchedStore : DispatchProxy
#pragma warning restore MA0053
{
    private readonly TaskCompletionSource _mayGo = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<IReadOnlyList<Guid>> _reads = new();
    private IJobStore _inner = null!;

    /// <summary>Which jobs were asked for, read by read.</summary>
    public IReadOnlyList<IReadOnlyList<Guid>> Reads => [.. _reads];

    public Exception? Fails { get; set; }

    public IJobStore Store => (IJobStore)(object)this;

    public static WatchedStore Of(IJobStore inner)
    {
        var store = (WatchedStore)(object)Create<IJobStore, WatchedStore>();
        store._inner = inner;
        return store;
    }

    public Task IsReadAsync() => Eventually.TrueAsync(() => !_reads.IsEmpty, "jobs are read");

    public void Go() => _mayGo.TrySetResult();

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
        targetMethod!.Name == nameof(IJobStore.FindEndedAsync)
            ? FindEndedAsync((IReadOnlyList<(Guid TenantId, Guid JobId)>)args![0]!)
            : targetMethod.Invoke(_inner, args);

    private async Task<IReadOnlyDictionary<(Guid TenantId, Guid JobId), Job>> FindEndedAsync(
        IReadOnlyList<(Guid TenantId, Guid JobId)> jobs
    )
    {
        _reads.Enqueue([.. jobs.Select(job => job.JobId)]);
        await _mayGo.Task;
        return Fails is { } failure ? throw failure : await _inner.FindEndedAsync(jobs, TestRun.Cancel);
    }
}
