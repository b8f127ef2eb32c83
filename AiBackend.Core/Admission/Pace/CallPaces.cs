using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Threading.Channels;
using AiBackend.Core.Database;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Admission.Pace;

/// <summary>This process' part of the pace of slowed deployments: what it found out, and what it knows of the others'.</summary>
/// <remarks>A deployment that nobody has slowed down costs one look into a dictionary. See 0016c_paces.sql and docs/adr/0016.</remarks>
public sealed class CallPaces : ICallPace
{
    /// <summary>Between two words that a slowed deployment answers: more say nothing more.</summary>
    private static readonly TimeSpan Stride = TimeSpan.FromMilliseconds(500);

    private readonly Channel<bool> _news = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );
    private readonly ConcurrentDictionary<string, RecentCalls> _calls = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, PaceNews> _unwritten = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, CallPace> _slowed = new(StringComparer.Ordinal);
    private readonly PaceStore _store;
    private readonly IStorageWatch _storage;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _clock;

    internal CallPaces(PaceStore store, IStorageWatch storage, IOptions<AdmissionOptions> options, IMeterFactory meters, TimeProvider clock)
    {
        (_store, _storage, _patience, _clock) = (store, storage, options.Value.Patience, clock);
        PaceMetrics.Observe(meters, this);
    }

    /// <summary>The deployments that are slowed now, as this process knows.</summary>
    public IReadOnlyCollection<CallPace> Slowed => [.. _slowed.Values];

    /// <inheritdoc/>
    public async ValueTask<CallEntry.Full?> EnterAsync(ChatDeployment deployment, CancellationToken cancellationToken)
    {
        if (_slowed.ContainsKey(deployment.FullName))
        {
            var (admitted, delay) = await AskAsync(deployment.FullName, cancellationToken);
            if (!admitted)
            {
                return new CallEntry.Full(ICallPace.Limit, delay);
            }

            if (delay > TimeSpan.Zero)
            {
                await Task.Delay(delay, _clock, cancellationToken);
            }
        }

        CallsOf(deployment.FullName).Add();
        return null;
    }

    /// <inheritdoc/>
    public void NoteAnswered(ChatDeployment deployment)
    {
        if (_slowed.ContainsKey(deployment.FullName) && CallsOf(deployment.FullName).MayTell(Stride))
        {
            Tell(deployment.FullName, new PaceNews(PaceWord.Answered, 0, null, TimeSpan.Zero));
        }
    }

    /// <inheritdoc/>
    public void NoteScarce(ChatDeployment deployment, TimeSpan? after, double? perMinute) =>
        Slow(deployment.FullName, PaceWord.Scarce, after, perMinute);

    /// <inheritdoc/>
    public void NoteTooFast(ChatDeployment deployment, TimeSpan? after, double? perMinute) =>
        Slow(deployment.FullName, PaceWord.TooFast, after, perMinute);

    /// <summary>Completes when there is something that the others do not know. For one reader.</summary>
    public async ValueTask WaitForNewsAsync(CancellationToken cancellationToken) => await _news.Reader.ReadAsync(cancellationToken);

    /// <summary>Tells the others what was found out, and learns what they know.</summary>
    public async Task ExchangeAsync(CancellationToken cancellationToken)
    {
        foreach (var (name, news) in _unwritten.ToArray())
        {
            await _store.WriteAsync(name, news, cancellationToken);
            _unwritten.TryRemove(KeyValuePair.Create(name, news));
        }

        var known = (await _store.ListAsync(cancellationToken)).ToDictionary(pace => pace.Deployment, StringComparer.Ordinal);
        foreach (var (name, pace) in known)
        {
            _slowed[name] = pace;
        }

        foreach (var name in _slowed.Keys.Where(name => !known.ContainsKey(name) && !_unwritten.ContainsKey(name)))
        {
            _slowed.TryRemove(name, out _);
        }

        // Made-up names must not stay for ever.
        foreach (var (name, calls) in _calls.Where(each => each.Value.IsOver))
        {
            _calls.TryRemove(KeyValuePair.Create(name, calls));
        }
    }

    private async Task<(bool Admitted, TimeSpan Delay)> AskAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await _store.EnterAsync(name, _patience, cancellationToken);
        }
        catch (Exception failure) when (_storage.Report(failure))
        {
            // Nobody knows the pace now; a job that does not get a commit either does little harm.
            return (true, TimeSpan.Zero);
        }
    }

    private void Slow(string name, PaceWord word, TimeSpan? after, double? perMinute)
    {
        Tell(name, new PaceNews(word, CallsOf(name).PerSecond, perMinute / 60, after ?? TimeSpan.Zero));
        // From now on every call asks.
        _slowed.TryAdd(name, new CallPace(name, 0, 0, null));
    }

    private void Tell(string name, PaceNews news)
    {
        _unwritten.AddOrUpdate(name, static (_, next) => next, static (_, before, next) => before.And(next), news);
        _news.Writer.TryWrite(true);
    }

    private RecentCalls CallsOf(string name) => _calls.GetOrAdd(name, static (_, clock) => new RecentCalls(clock), _clock);
}

/// <summary>How fast a deployment may be asked.</summary>
/// <param name="Deployment">Provider and model.</param>
/// <param name="PerSecond">Calls a second now.</param>
/// <param name="FullPerSecond">Calls a second that it is on its way back to.</param>
/// <param name="BlockedUntil">Before this nobody asks; null when it has passed.</param>
public sealed record CallPace(string Deployment, double PerSecond, double FullPerSecond, DateTimeOffset? BlockedUntil);

/// <summary>What a process found out about a deployment since it last said so.</summary>
/// <param name="Word">What it says.</param>
/// <param name="PerSecond">How often this process has asked it.</param>
/// <param name="Told">Calls a second that it allows, if it said so.</param>
/// <param name="After">When to ask again, if it said so.</param>
internal sealed record PaceNews(PaceWord Word, double PerSecond, double? Told, TimeSpan After)
{
    /// <summary>The stronger word outweighs the weaker.</summary>
    public PaceNews And(PaceNews next)
    {
        var (most, other) = next.Word >= Word ? (next, this) : (this, next);
        return most with { After = most.After > other.After ? most.After : other.After, Told = most.Told ?? other.Told };
    }
}

/// <summary>What a deployment says of how fast it is asked.</summary>
internal enum PaceWord
{
    /// <summary>It answers.</summary>
    Answered,

    /// <summary>It answers, and little is left of what it allows.</summary>
    Scarce,

    /// <summary>It refuses.</summary>
    TooFast,
}
