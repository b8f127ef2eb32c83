using System.Runtime.CompilerServices;
using AiBackend.Web.Answers;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>One run as seen by everybody on this server who watches it: one subscription, one fold, one rendering.</summary>
/// <remarks>
/// Prerendering and the circuit that takes over show the same feed, so the text a reader already has is still there when
/// the page becomes live. News is published at most every 100 ms, less often when rendering is slow.
/// </remarks>
internal sealed class RunFeed : IAsyncDisposable
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly RunBoard _board;
    private readonly RunFacts _facts;
    private readonly AnswerDocument _answer;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _news = new(0, 1);
    private readonly Task _work;
    private volatile RunView _current;
    private volatile bool _isBroken;
    private volatile TaskCompletionSource _changed = NewSignal();

    public RunFeed(
        Guid id,
        Func<RunBoard, RunFacts, RunReader> createReader,
        Func<RunBoard, RunFacts> createFacts,
        TimeProvider clock,
        ILogger logger
    )
    {
        _clock = clock;
        _logger = logger;
        _answer = new AnswerDocument(clock);
        _current = new RunView { Id = id };
        _board = new RunBoard(id, Wake);
        _facts = createFacts(_board);
        var reader = createReader(_board, _facts);
        // None: the loops themselves end by _stop. On the pool: neither parsing nor folding may hold up a circuit.
        _work = Task.Run(() => Task.WhenAll(Guard(reader.RunAsync), Guard(_facts.KeepAsync), Guard(PublishAsync)), CancellationToken.None);
    }

    public RunView Current => _current;

    /// <summary>True after a defect: this feed shows no more news, a new one may.</summary>
    public bool IsBroken => _isBroken;

    /// <summary>The answer so far, as it was written.</summary>
    public string Text => _board.Text;

    /// <summary>Completes when there is something to show: the run so far, or why not.</summary>
    public async Task WaitUntilReadyAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(patience, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            while (Current is { IsCaughtUp: false, Failure: null })
            {
                await NextAsync(Current, either.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The page shows that it is still connecting.
        }
    }

    /// <summary>Yields every change from now on; a slow watcher skips to the latest.</summary>
    public async IAsyncEnumerable<RunView> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seen = Current;
        yield return seen;
        while (true)
        {
            seen = await NextAsync(seen, cancellationToken);
            yield return seen;
        }
    }

    /// <summary>Asks for the job's facts again at once, after an action that changes them.</summary>
    public void Refresh() => _facts.Refresh();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work;
        _stop.Dispose();
        _news.Dispose();
        _facts.Dispose();
    }

    /// <summary>A defect in one loop is logged and shown; without this it would be a page that stands still.</summary>
    private async Task Guard(Func<CancellationToken, Task> loop)
    {
        try
        {
            await loop(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Nobody watches any more.
        }
        catch (Exception failure)
        {
            _logger.RunFeedFailed(failure, Current.Id);
            _isBroken = true;
            _board.Break();
            // The loop that broke may be the one that publishes.
            Show(Current with { Failure = ApiFailure.Defect });
        }
    }

    private async Task<RunView> NextAsync(RunView seen, CancellationToken cancellationToken)
    {
        while (true)
        {
            var changed = _changed.Task;
            if (!ReferenceEquals(Current, seen))
            {
                return Current;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    private void Wake()
    {
        lock (_news)
        {
            if (_news.CurrentCount == 0)
            {
                _news.Release();
            }
        }
    }

    private async Task PublishAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _news.WaitAsync(cancellationToken);
            var startedAt = _clock.GetTimestamp();
            Show(_board.View(_answer));
            await Task.Delay(PauseAfter(_clock.GetElapsedTime(startedAt)), _clock, cancellationToken);
        }
    }

    private void Show(RunView run)
    {
        _current = run;
        Interlocked.Exchange(ref _changed, NewSignal()).SetResult();
    }

    /// <summary>Hostile or huge text must not take more than a fifth of a core, nor leave a reader waiting.</summary>
    private static TimeSpan PauseAfter(TimeSpan rendering) =>
        rendering * 4 < ShortestPause ? ShortestPause
        : rendering * 4 > LongestPause ? LongestPause
        : rendering * 4;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
