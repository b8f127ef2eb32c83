using AiBackend.Core.Database;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Money;

/// <summary>Every price, in this process' memory: whoever makes a call needs it at once.</summary>
/// <remarks>A new version is known within two seconds; the call pins the version it was priced by.</remarks>
public sealed class PriceBook(PriceStore store, IStorageWatch storage, IOptions<PriceOptions> options, TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _reading = new(1, 1);
    private IReadOnlyDictionary<(string Provider, string Model), Price[]>? _prices;
    private long _readAt;
    private bool _isSeeded;

    /// <returns>The price of a deployment now; null when it has none.</returns>
    public ValueTask<Price?> FindAsync(string provider, string model, CancellationToken cancellationToken) =>
        FindAsync(provider, model, Fresh, cancellationToken);

    /// <returns>The same, without what is in memory.</returns>
    public ValueTask<Price?> FindNewestAsync(string provider, string model, CancellationToken cancellationToken) =>
        FindAsync(provider, model, TimeSpan.Zero, cancellationToken);

    private async ValueTask<Price?> FindAsync(string provider, string model, TimeSpan maxAge, CancellationToken cancellationToken)
    {
        await storage.WaitUntilBackAsync(cancellationToken);
        var prices = _prices is { } known && clock.GetElapsedTime(_readAt) < maxAge ? known : await ReadAsync(maxAge, cancellationToken);
        var now = clock.GetUtcNow();
        return prices.TryGetValue((provider, model), out var versions) ? Array.FindLast(versions, price => price.ValidFrom <= now) : null;
    }

    /// <inheritdoc />
    public void Dispose() => _reading.Dispose();

    private async Task<IReadOnlyDictionary<(string Provider, string Model), Price[]>> ReadAsync(
        TimeSpan maxAge,
        CancellationToken cancellationToken
    )
    {
        // One reads, the others use what it found; while Postgres is away, what was known goes on to hold.
        await _reading.WaitAsync(cancellationToken);
        try
        {
            if (_prices is { } known && clock.GetElapsedTime(_readAt) < maxAge)
            {
                return known;
            }

            if (!_isSeeded)
            {
                await store.SeedAsync(options.Value.Prices, cancellationToken);
                _isSeeded = true;
            }

            var all = await store.ListAsync(null, null, cancellationToken);
            _prices = all.GroupBy(price => (price.Provider, price.Model))
                .ToDictionary(
                    group => group.Key,
                    group => group.OrderBy(price => price.ValidFrom).ThenBy(price => price.Version).ToArray()
                );
            _readAt = clock.GetTimestamp();
        }
        catch (Exception failure) when (_prices is not null && StorageFailures.MayCome(failure))
        {
            _readAt = clock.GetTimestamp();
        }
        finally
        {
            _reading.Release();
        }

        return _prices;
    }
}
