namespace AiBackend.LocalHost.Supervision;

/// <summary>What is particular to one kind of resource: how to prepare, start, probe and stop it.</summary>
internal interface IProcessRecipe
{
    bool HasHealthCheck { get; }

    Signal StopSignal { get; }

    /// <summary>How long the process may take to end after being asked; then it is killed.</summary>
    TimeSpan StopGrace { get; }

    /// <summary>Resources without a process that are up exactly when this one is.</summary>
    IReadOnlyList<string> Children { get; }

    /// <summary>Once, before the first start.</summary>
    Task PrepareAsync(CancellationToken cancellationToken);

    /// <summary>Before every start.</summary>
    Task<ProcessSpec> DescribeAsync(string replicaId, CancellationToken cancellationToken);

    Task<bool> IsHealthyAsync(CancellationToken cancellationToken);

    /// <summary>After the first successful probe of every start; the resource counts as healthy when this is done.</summary>
    Task BecameHealthyAsync(CancellationToken cancellationToken);
}
