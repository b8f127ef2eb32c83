using System.Security.Claims;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Core.Database;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Auth;

/// <summary>Asks again about the keys of open streams, which outlive the check at their begin.</summary>
internal sealed class LiveKeys(
    Callers callers,
    IStorageWatch storage,
    IOptions<StreamingOptions> options,
    TimeProvider clock,
    ILogger<LiveKeys> logger
) : BackgroundService
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>How many streams of the request's key are open here.</summary>
    public int CountOf(HttpRequest request)
    {
        lock (_gate)
        {
            return ApiKeyHandler.KeyOf(request) is { } key && _entries.TryGetValue(key, out var entry) ? entry.Count : 0;
        }
    }

    /// <summary>Whether whoever was let in would be let in again, for the same tenant; of work without a key others decide that.</summary>
    public async ValueTask<bool> CountsAsync(ClaimsPrincipal user, CancellationToken cancellationToken) =>
        user.Identity is not CallerIdentity { Key: { } key, Caller.TenantId: var tenantId }
        || (await callers.FindAsync(key, cancellationToken) is { } caller && caller.TenantId == tenantId);

    /// <summary>Begins to ask about the key of a request; dispose to stop.</summary>
    public Registration Watch(HttpRequest request)
    {
        var key = ApiKeyHandler.KeyOf(request) ?? throw new InvalidOperationException("The request carries no key.");
        lock (_gate)
        {
            if (!_entries.TryGetValue(key, out var entry))
            {
                _entries[key] = entry = new Entry();
            }

            entry.Count++;
            return new Registration(this, key, entry);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.KeyCheck, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var (key, entry) in Snapshot())
            {
                await CheckAsync(key, entry, stoppingToken);
            }
        }
    }

    private async Task CheckAsync(string key, Entry entry, CancellationToken cancellationToken)
    {
        try
        {
            if (await callers.FindAsync(key, cancellationToken) is null)
            {
                await entry.Revoked.CancelAsync();
            }
        }
        catch (Exception outage) when (StorageFailures.MayCome(outage))
        {
            // Safe to go on: nothing new can be read from the same database meanwhile, and the next tick asks again.
            if (!storage.Report(outage))
            {
                logger.KeysNotChecked(outage);
            }
        }
    }

    private List<KeyValuePair<string, Entry>> Snapshot()
    {
        lock (_gate)
        {
            return [.. _entries];
        }
    }

    private void Release(string key, Entry entry)
    {
        lock (_gate)
        {
            // A source that was cancelled may still be held by others of the same key, so it is left to the collector.
            if (--entry.Count == 0)
            {
                _entries.Remove(key);
            }
        }
    }

    /// <summary>Whether a key still counts.</summary>
    public sealed class Registration(LiveKeys owner, string key, Entry entry) : IDisposable
    {
        /// <summary>Fires soon after the key was revoked or has expired.</summary>
        public CancellationToken Revoked => entry.Revoked.Token;

        public void Dispose() => owner.Release(key, entry);
    }

    public sealed class Entry
    {
        public CancellationTokenSource Revoked { get; } = new();

        public int Count { get; set; }
    }
}
