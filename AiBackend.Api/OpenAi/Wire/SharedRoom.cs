namespace AiBackend.Api.OpenAi.Wire;

/// <summary>
/// Memory of this process that all tenants share. With more than one request at a time a tenant has three quarters of it at most; a request that comes when
/// nobody holds any is let in whatever its size.
/// </summary>
internal sealed class SharedRoom(long most)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, long> _held = [];
    private long _taken;

    /// <returns>Gives it back when it is disposed of; null when there is no room now.</returns>
    public IDisposable? TryTake(Guid tenantId, long amount)
    {
        lock (_gate)
        {
            var held = _held.GetValueOrDefault(tenantId);
            // One alone would never be let in.
            var isAlone = _taken == 0;
            if (!isAlone && (_taken + amount > most || (held > 0 && held + amount > most / 4 * 3)))
            {
                return null;
            }

            _taken += amount;
            _held[tenantId] = held + amount;
            return new Part(this, tenantId, amount);
        }
    }

    private void GiveBack(Guid tenantId, long amount)
    {
        lock (_gate)
        {
            _taken -= amount;
            if ((_held[tenantId] -= amount) == 0)
            {
                _held.Remove(tenantId);
            }
        }
    }

    private sealed class Part(SharedRoom owner, Guid tenantId, long amount) : IDisposable
    {
        private SharedRoom? _owner = owner;

        public void Dispose() => Interlocked.Exchange(ref _owner, null)?.GiveBack(tenantId, amount);
    }
}
