using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Webhooks;

/// <summary>Sends what is due to endpoints of tenants, each at its own pace: the leader's part.</summary>
/// <remarks>
/// An endpoint has few tries at the same time, and one that fails has one; endpoints that fail or are slow share few places of their own, and
/// no tenant has more than a part of either kind. So what hangs holds up itself, and at worst others that hang.
/// </remarks>
public sealed class SendToTenants(
    DueEndpoints endpoints,
    DeliverWebhooks deliver,
    WebhookSender sender,
    IStorageWatch storage,
    TimeProvider clock,
    ILogger<SendToTenants> logger
)
{
    private const int TriesOfWell = 4;
    private const int PlacesOfWell = 16;
    private const int PlacesOfWeak = 8;
    private const int PlacesOfTenant = 4;

    // One that has very much to send lets the others in now and then; one whose single round takes longer counts as slow.
    private static readonly TimeSpan LongestTurn = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, (Task Work, bool IsWeak, Guid TenantId)> _busy = [];
    private readonly EndpointMarks _slow = new(clock, TimeSpan.FromMinutes(10));

    // Nothing can be sent there for now, however often it is looked at.
    private readonly EndpointMarks _resting = new(clock, TimeSpan.FromMinutes(1));

    /// <summary>Begins with endpoints that have something due, as far as there are places; does not wait for them.</summary>
    /// <returns>How many it began with.</returns>
    public async Task<int> BeginAsync(CancellationToken cancellationToken)
    {
        var busy = Busy();
        // Twice the places: as many again may be of tenants that have all of theirs.
        var due = await endpoints.FindAsync(
            [.. busy.Keys, .. _resting.Current()],
            _slow.Current(),
            new DueLimits(PlacesOfTenant, PlacesOfWell * 2, PlacesOfWeak * 2),
            cancellationToken
        );
        var begun = 0;
        foreach (var endpoint in due)
        {
            if (endpoint.Target.Secrets.Count == 0)
            {
                logger.SecretNotReadable(endpoint.Target.Endpoint);
                _resting.Add(endpoint.Id);
            }
            else if (TryBegin(endpoint, cancellationToken))
            {
                begun++;
            }
        }

        return begun;
    }

    /// <summary>Waits until nobody is being sent to.</summary>
    public Task IdleAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_busy.Values.Select(busy => busy.Work));
        }
    }

    private Dictionary<Guid, (Task Work, bool IsWeak, Guid TenantId)> Busy()
    {
        lock (_gate)
        {
            foreach (var (id, _) in _busy.Where(busy => busy.Value.Work.IsCompleted).ToList())
            {
                _busy.Remove(id);
            }

            return new(_busy);
        }
    }

    private bool TryBegin(DueEndpoint endpoint, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var ofKind = _busy.Values.Where(busy => busy.IsWeak == endpoint.IsWeak).ToList();
            if (
                ofKind.Count >= (endpoint.IsWeak ? PlacesOfWeak : PlacesOfWell)
                || ofKind.Count(busy => busy.TenantId == endpoint.TenantId) >= PlacesOfTenant
            )
            {
                return false;
            }

            // None: work that is cancelled before it begins would fail whoever waits for it.
            var work = Task.Run(() => SendAsync(endpoint, cancellationToken), CancellationToken.None);
            _busy[endpoint.Id] = (work, endpoint.IsWeak, endpoint.TenantId);
            return true;
        }
    }

    private async Task SendAsync(DueEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            await SendTurnAsync(endpoint, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // This process no longer leads; whoever does makes the tries again.
        }
        catch (Exception outage) when (StorageFailures.MayCome(outage))
        {
            // Safe to go on: a try that nobody ended counts as lost, and is made again.
            if (!storage.Report(outage))
            {
                logger.SendingFailed(outage, endpoint.Target.Endpoint);
            }
        }
#pragma warning disable CA1031 // A mistake with one endpoint must not end the sending to all others.
        catch (Exception mistake)
#pragma warning restore CA1031
        {
            logger.SendingBroken(mistake, endpoint.Target.Endpoint);
            _resting.Add(endpoint.Id);
        }
    }

    private async Task SendTurnAsync(DueEndpoint endpoint, CancellationToken cancellationToken)
    {
        var begun = clock.GetTimestamp();
        var atOnce = endpoint.IsFailing ? 1 : TriesOfWell;
        // One that took nothing gives its place away and comes back as one that fails; what is left after a turn comes again.
        while (clock.GetElapsedTime(begun) < LongestTurn)
        {
            var roundBegun = clock.GetTimestamp();
            var round = await deliver.RunAsync(endpoint.Target, sender, atOnce, cancellationToken);
            if (round.Tries > 0)
            {
                _slow.Set(endpoint.Id, clock.GetElapsedTime(roundBegun) >= LongestTurn);
            }

            await endpoints.NoteAsync(endpoint, round, cancellationToken);
            if (round.Taken == 0 || round.IsGone)
            {
                return;
            }
        }
    }
}
