using AiBackend.Web.Account;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>Shares one feed among all who watch the same run, and keeps it a little longer for whoever comes next.</summary>
/// <remarks>
/// A feed belongs to a caller, in a project, as well as to a run: what one key may read says nothing about another, and it asks on as the page that
/// began it did.
/// </remarks>
internal sealed class RunFeeds(
    SharedFeeds shared,
    ApiClient api,
    ApiEventStream events,
    SiteCaller caller,
    RunMetrics metrics,
    TimeProvider clock,
    ILogger<RunReader> logger
)
{
    /// <summary>Joins the run's feed, starting it when nobody watches yet. Dispose the lease to leave.</summary>
    public RunLease Join(Guid id) => shared.Join(new(caller.Token ?? "", caller.Project ?? "", id), () => Create(id));

    private RunFeed Create(Guid id) =>
        new(
            id,
            (board, facts) => new RunReader(id, board, facts, api, events, metrics, clock, logger),
            board => new RunFacts(id, board, api),
            clock,
            logger
        );
}

/// <summary>Who watches which run.</summary>
internal readonly record struct FeedPlace(string Caller, string Project, Guid Run);

/// <summary>The feeds of all readers.</summary>
internal sealed class SharedFeeds(TimeProvider clock)
{
    /// <summary>Long enough for a circuit to take over from prerendering, or for a reload.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly Dictionary<FeedPlace, Shared> _feeds = [];

    /// <param name="place">Who watches which run.</param>
    /// <param name="create">Makes the feed when nobody of the same kind watches yet.</param>
    public RunLease Join(FeedPlace place, Func<RunFeed> create)
    {
        lock (_gate)
        {
            // A broken feed stays with those who watch it; whoever reloads deserves another try.
            if (!_feeds.TryGetValue(place, out var shared) || shared.Feed.IsBroken)
            {
                _feeds[place] = shared = new Shared(create());
            }

            shared.Watchers++;
            return new RunLease(shared.Feed, () => Leave(place, shared));
        }
    }

    private void Leave(FeedPlace place, Shared shared)
    {
        int leave;
        lock (_gate)
        {
            shared.Watchers--;
            leave = ++shared.Leaves;
        }

        _ = CloseLaterAsync(place, shared, leave);
    }

    /// <summary>Closes the feed unless somebody came or left meanwhile: only the last to leave closes it, and only once.</summary>
    private async Task CloseLaterAsync(FeedPlace place, Shared shared, int leave)
    {
        await Task.Delay(Linger, clock);
        lock (_gate)
        {
            if (shared.Watchers > 0 || shared.Leaves != leave)
            {
                return;
            }

            if (ReferenceEquals(_feeds.GetValueOrDefault(place), shared))
            {
                _feeds.Remove(place);
            }
        }

        await shared.Feed.DisposeAsync();
    }

    private sealed class Shared(RunFeed feed)
    {
        public RunFeed Feed => feed;
        public int Watchers { get; set; }
        public int Leaves { get; set; }
    }
}

/// <summary>One watcher's part of a shared feed.</summary>
internal sealed class RunLease(RunFeed feed, Action leave) : IDisposable
{
    private Action? _leave = leave;

    public RunFeed Feed => feed;

    public void Dispose() => Interlocked.Exchange(ref _leave, null)?.Invoke();
}
