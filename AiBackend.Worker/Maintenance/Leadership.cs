using AiBackend.Core.Database;
using AiBackend.Worker.Execution;
using Npgsql;

namespace AiBackend.Worker.Maintenance;

/// <summary>Lets one worker at a time do the work that needs doing once: whoever holds a lease in Postgres.</summary>
/// <remarks>
/// A lease and not a lock of the session: a process that is frozen keeps its session, and would keep everybody else from
/// rescuing its jobs. Only economy: every task behind it is harmless when two run it, because its statements are guarded.
/// </remarks>
internal sealed class Leadership(
    NpgsqlDataSource database,
    IStorageWatch storage,
    WorkerIdentity identity,
    TimeProvider clock,
    ILogger<Leadership> logger
)
{
    private static readonly TimeSpan Term = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RenewalInterval = TimeSpan.FromSeconds(1.5);

    // One look may be late without anything having been away.
    private static readonly TimeSpan LongestSilence = RenewalInterval * 2;

    private const string HoldSql = """
        INSERT INTO leadership AS l (role, holder, until) VALUES ('maintenance', @holder, now() + @term)
        ON CONFLICT (role) DO UPDATE SET holder = excluded.holder, until = excluded.until
         WHERE l.holder = excluded.holder OR l.until < now()
        """;

    private const string ResignSql = "DELETE FROM leadership WHERE role = 'maintenance' AND holder = @holder";

    private readonly Nudges _vacancies = new(clock);

    private long _inTouchSince;
    private long _lastTouch;

    /// <summary>For how long every look at Postgres has been answered, leading or not.</summary>
    public TimeSpan InTouchFor => _lastTouch == 0 ? TimeSpan.Zero : clock.GetElapsedTime(_inTouchSince);

    /// <summary>Runs <paramref name="lead"/> whenever this process is the leader; its token fires when that ends.</summary>
    public async Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken stoppingToken)
    {
        CancellationTokenSource? term = null;
        var work = Task.CompletedTask;
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                var leads = await HoldAsync(stoppingToken);
                if (leads && term is null)
                {
                    term = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                    work = lead(term.Token);
                }
                else if (term is not null && (!leads || work.IsCompleted))
                {
                    await EndAsync(term, work);
                    term = null;
                }

                await _vacancies.WaitAsync(RenewalInterval, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping; the successor need not wait for the term to run out.
        }

        if (term is not null)
        {
            await EndAsync(term, work);
            await ResignAsync();
        }
    }

    private static async Task EndAsync(CancellationTokenSource term, Task work)
    {
        await term.CancelAsync();
        await work;
        term.Dispose();
    }

    private async Task<bool> HoldAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var command = database.CreateCommand(HoldSql);
            command.Parameters.AddWithValue("holder", identity.Id);
            command.Parameters.AddWithValue("term", Term);
            var leads = await command.ExecuteNonQueryAsync(cancellationToken) == 1;
            NoteTouch();
            return leads;
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: without Postgres there is nothing to lead.
            if (!storage.Report(failure))
            {
                logger.LeadershipLost(failure);
            }
            _lastTouch = 0;
            return false;
        }
    }

    private void NoteTouch()
    {
        var now = clock.GetTimestamp();
        if (_lastTouch == 0 || clock.GetElapsedTime(_lastTouch, now) > LongestSilence)
        {
            _inTouchSince = now;
        }

        _lastTouch = now;
    }

    /// <summary>Ends the term of a leader that is gone, and asks for it at once; who did not lead has none.</summary>
    public async Task SucceedAsync(Guid gone, CancellationToken cancellationToken)
    {
        if (await EndTermAsync(gone, cancellationToken))
        {
            _vacancies.Give();
        }
    }

    private async Task<bool> EndTermAsync(Guid holder, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ResignSql);
        command.Parameters.AddWithValue("holder", holder);
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    private async Task ResignAsync()
    {
        try
        {
            // None: the process is ending; the command time-out bounds it.
            await EndTermAsync(identity.Id, CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe: the term runs out by itself.
            logger.LeadershipLost(failure);
        }
    }
}
