using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Api;

namespace AiBackend.Web.Runs;

/// <summary>Keeps one run's board up to date: first the log so far, then live from there, again after every break.</summary>
internal sealed class RunReader(
    Guid id,
    RunBoard board,
    RunFacts facts,
    ApiClient api,
    ApiEventStream events,
    RunMetrics metrics,
    TimeProvider clock,
    ILogger<RunReader> logger
)
{
    // A quarter of a minute; a call that is open then is one whose worker has died.
    private const int MostLooks = 6;

    private bool _caughtUp;

    /// <summary>Ends when the run has ended and was compared, or when there is no such run.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        for (var failures = 0; ; )
        {
            var before = board.LastSeq;
            try
            {
                await FollowAsync(cancellationToken);
                if (board.HasEnded)
                {
                    var isAllRead = await facts.ReadRestAsync(cancellationToken);
                    await CompareAsync(cancellationToken);
                    await AwaitRestAsync(isAllRead, cancellationToken);
                    return;
                }

                // Closed without an end, or an event was missing. After progress: go on from the last number at once.
                failures = board.LastSeq > before ? 0 : failures + 1;
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException or JsonException)
            {
                failures = board.LastSeq > before ? 1 : failures + 1;
                logger.RunStreamBroke(id, board.LastSeq, failure.Message);
            }

            if (board.Facts.Failure is { IsNotFound: true })
            {
                return;
            }

            if (failures > 0)
            {
                board.Note(known => known with { Link = known.Link with { State = RunLinkState.Reconnecting, Attempt = failures } });
                await Task.Delay(Backoff(failures), clock, cancellationToken);
            }
        }
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        if (!_caughtUp)
        {
            _caughtUp = await facts.ReadJobAsync(cancellationToken) && await ReadLogAsync(cancellationToken);
            board.Note(known => known with { IsCaughtUp = _caughtUp });
        }

        if (!_caughtUp || board.HasEnded)
        {
            return;
        }

        await foreach (var entry in events.ReadAsync(id, board.LastSeq, Heard, cancellationToken))
        {
            if (Apply(entry) is FoldOutcome.Gap)
            {
                logger.RunStreamGap(id, board.LastSeq, entry.Seq);
                return;
            }
        }
    }

    /// <summary>Reads the log so far, so that the first thing a reader sees is all there is.</summary>
    private async Task<bool> ReadLogAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await api.GetEventsAsync(id, board.LastSeq, cancellationToken) is not ApiResult<JobEventPage>.Success(var page))
            {
                return false;
            }

            foreach (var entry in page.Data)
            {
                Apply(RunEvent.From(entry));
            }

            if (page.Data.Count == 0 || page.NextAfter is null)
            {
                Heard();
                return true;
            }
        }
    }

    private FoldOutcome Apply(RunEvent entry)
    {
        var outcome = board.Apply(entry);
        if (outcome is FoldOutcome.Applied && entry.Payload is StateEvent)
        {
            facts.Refresh();
        }

        return outcome;
    }

    /// <summary>The stored text has the last word; a difference is a defect worth counting.</summary>
    private async Task CompareAsync(CancellationToken cancellationToken)
    {
        if (await ReadStoredAsync(cancellationToken) is not { } stored)
        {
            return;
        }

        if (!board.Settle(stored))
        {
            metrics.StreamMismatched();
            logger.RunTextReplaced(id);
        }

        board.Note(known => known with { Link = known.Link with { State = RunLinkState.Complete, Attempt = 0 } });
    }

    /// <summary>
    /// Reads again what could not be read at the end, and what calls have cost, which is written down a moment after it, as the worker comes to it.
    /// </summary>
    private async Task AwaitRestAsync(bool isAllRead, CancellationToken cancellationToken)
    {
        for (var looks = 1; board.Facts.Failure is null && (!isAllRead || (looks <= MostLooks && HasOpenCalls)); looks++)
        {
            await Task.Delay(Backoff(looks), clock, cancellationToken);
            isAllRead = await facts.ReadRestAsync(cancellationToken);
        }
    }

    private bool HasOpenCalls => board.Facts.Trace?.Ledger.Any(call => call.EndedAt is null) == true;

    /// <summary>Asks until there is an answer: a text that was not compared must not be called complete.</summary>
    /// <returns>Null when the run was removed meanwhile.</returns>
    private async Task<Job?> ReadStoredAsync(CancellationToken cancellationToken)
    {
        for (var failures = 1; ; failures++)
        {
            switch (await api.GetJobAsync(id, cancellationToken))
            {
                case ApiResult<Job>.Success(var stored):
                    return stored;
                case ApiResult<Job>.Failure({ IsNotFound: true } gone):
                    board.Note(known => known with { Failure = gone });
                    return null;
            }

            board.Note(known => known with { Link = known.Link with { State = RunLinkState.Reconnecting, Attempt = failures } });
            await Task.Delay(Backoff(failures), clock, cancellationToken);
        }
    }

    private void Heard() => board.Note(known => known with { Link = new RunLink(RunLinkState.Live, clock.GetUtcNow(), 0) });

    private static TimeSpan Backoff(int failures)
    {
        var seconds = Math.Min(0.25 * Math.Pow(2, failures - 1), 5);
        // Many tabs lose a server at the same moment; they must not come back at the same moment.
        return TimeSpan.FromSeconds(seconds * (0.75 + (Random.Shared.NextDouble() * 0.5)));
    }
}
