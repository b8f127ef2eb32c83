using AiBackend.Core.Tenancy;

namespace AiBackend.Tests.Simulation;

/// <summary>Nobody revokes a key in the simulation.</summary>
internal sealed class GoodKeys : IKeyGrants
{
    public ValueTask<KeyRefusal?> RefuseAsync(
        string keyId,
        string? model,
        DateTimeOffset submittedAt,
        CancellationToken cancellationToken
    ) => ValueTask.FromResult<KeyRefusal?>(null);
}
