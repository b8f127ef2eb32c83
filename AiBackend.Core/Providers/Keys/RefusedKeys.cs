using System.Collections.Immutable;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Providers.Keys;

/// <summary>The keys with which this process asks nobody, because their providers refused them.</summary>
/// <remarks>
/// What one process finds out is told to the others by whoever reads <see cref="Unreported"/>, and what they found comes by
/// <see cref="Replace"/>. Without such a one a key is refused until the process ends.
/// </remarks>
public sealed class RefusedKeys
{
    private readonly Channel<bool> _news = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );
    private readonly Lock _gate = new();
    private readonly ILogger<RefusedKeys> _logger;
    private ImmutableHashSet<RefusedKey> _unreported = [];
    private ImmutableHashSet<RefusedKey> _all = [];

    internal RefusedKeys(ILogger<RefusedKeys> logger) => _logger = logger;

    /// <summary>What this process found out and nobody has taken note of yet.</summary>
    public IReadOnlyCollection<RefusedKey> Unreported => Volatile.Read(ref _unreported);

    /// <summary>Completes when there is something in <see cref="Unreported"/>. For one reader.</summary>
    public async ValueTask WaitForNewsAsync(CancellationToken cancellationToken) => await _news.Reader.ReadAsync(cancellationToken);

    /// <summary>Notes what all processes know, in place of what this one knew.</summary>
    /// <param name="reported">Of <see cref="Unreported"/>, what is in <paramref name="all"/> or was since taken back.</param>
    /// <param name="all">The keys that are refused now.</param>
    public void Replace(IReadOnlyCollection<RefusedKey> reported, IEnumerable<RefusedKey> all)
    {
        lock (_gate)
        {
            _unreported = _unreported.Except(reported);
            Volatile.Write(ref _all, _unreported.Union(all));
        }
    }

    internal bool Contains(ChatDeployment deployment) =>
        Volatile.Read(ref _all) is { Count: > 0 } all && all.Contains(new(deployment.Provider, deployment.KeyId));

    /// <summary>A provider has refused its key.</summary>
    internal void Note(ChatDeployment deployment)
    {
        var key = new RefusedKey(deployment.Provider, deployment.KeyId);
        lock (_gate)
        {
            if (_all.Contains(key))
            {
                return;
            }

            _unreported = _unreported.Add(key);
            Volatile.Write(ref _all, _all.Add(key));
        }

        _logger.KeyRefused(deployment.Provider);
        _news.Writer.TryWrite(true);
    }
}
