using System.Runtime.InteropServices;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Core.Database;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Auth;

/// <summary>Asks again about keys whose requests last: those with a slow body, open streams and connections.</summary>
internal sealed class LiveKeys(
    Callers callers,
    IStorageWatch storage,
    IOptions<StreamingOptions> options,
    TimeProvider clock,
    ILogger<LiveKeys> logger
) : BackgroundService
{
    private readonly Lock _gate = new();
    private const int AtOnce = 8;

    private readonly Dictionary<string, HashSet<Registration>> _open = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _streams = new(StringComparer.Ordinal);

    /// <summary>Whether whoever was let in would be let in again, for the same tenant; of work without a key others decide that.</summary>
    public async ValueTask<bool> CountsAsync(HttpContext context, CancellationToken cancellationToken) =>
        Admittance.Of(context) is not { } admittance || admittance.Holds(await callers.FindAgainAsync(admittance.Key, cancellationToken));

    /// <summary>Begins to ask about the key of a request, unless it has as many streams open here as it may; dispose to stop.</summary>
    /// <param name="context">The request, or the connection.</param>
    /// <param name="most">How many it may have.</param>
    /// <returns>Null when it has as many.</returns>
    public Registration? TryWatch(HttpContext context, int most)
    {
        var admittance = Admittance.Of(context) ?? throw new InvalidOperationException("The request carries no key.");
        lock (_gate)
        {
            var streams = _streams.GetValueOrDefault(admittance.Key);
            if (streams >= most)
            {
                return null;
            }

            _streams[admittance.Key] = streams + 1;
            return Add(new Registration(this, admittance, isStream: true));
        }
    }

    /// <summary>The same for a request that waits, of which there may be any number.</summary>
    /// <returns>Null for work without a key.</returns>
    public Registration? Watch(HttpContext context)
    {
        if (Admittance.Of(context) is not { } admittance)
        {
            return null;
        }

        lock (_gate)
        {
            return Add(new Registration(this, admittance, isStream: false));
        }
    }

    private Registration Add(Registration registration)
    {
        var key = registration.Admittance.Key;
        if (!_open.TryGetValue(key, out var open))
        {
            _open[key] = open = [];
        }

        open.Add(registration);
        return registration;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.KeyCheck, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            // One slow answer must not make the others late.
            await Parallel.ForEachAsync(
                Snapshot(),
                new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stoppingToken },
                async (each, token) => await CheckAsync(each.Key, each.Open, token)
            );
        }
    }

    private async Task CheckAsync(string key, IReadOnlyList<Registration> open, CancellationToken cancellationToken)
    {
        try
        {
            var now = await callers.FindAgainAsync(key, cancellationToken);
            foreach (var registration in open.Where(each => !each.Admittance.Holds(now)))
            {
                await registration.EndAsync();
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

    private List<(string Key, IReadOnlyList<Registration> Open)> Snapshot()
    {
        lock (_gate)
        {
            return [.. _open.Select(each => (each.Key, (IReadOnlyList<Registration>)[.. each.Value]))];
        }
    }

    private void Release(Registration registration)
    {
        lock (_gate)
        {
            var key = registration.Admittance.Key;
            if (!_open.TryGetValue(key, out var open) || !open.Remove(registration))
            {
                return;
            }

            if (open.Count == 0)
            {
                _open.Remove(key);
            }

            if (registration.IsStream && --CollectionsMarshal.GetValueRefOrNullRef(_streams, key) == 0)
            {
                _streams.Remove(key);
            }
        }
    }

    /// <summary>Whether a key still counts for what it began.</summary>
    public sealed class Registration(LiveKeys owner, Admittance admittance, bool isStream) : IDisposable
    {
        // Left to the collector: it may be cancelled while its holder lets go of it.
        private readonly CancellationTokenSource _revoked = new();

        public Admittance Admittance => admittance;

        public bool IsStream => isStream;

        /// <summary>Fires soon after the key was revoked, has expired or may do this no more.</summary>
        public CancellationToken Revoked => _revoked.Token;

        public Task EndAsync() => _revoked.CancelAsync();

        public void Dispose() => owner.Release(this);
    }
}
