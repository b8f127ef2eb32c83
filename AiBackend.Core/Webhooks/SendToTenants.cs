using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Webhooks;

/// <summary>Sends what is due to endpoints of tenants, each at its own pace: the leader's part.</summary>
/// <remarks>
/// An endpoint has few tries at the same time, and one that fails has one; endpoints that fail share few places of their own. So what hangs
/// holds up itself, and at worst others that hang.
/// </remarks>
public sealed class SendToTenants(
    DueEndpoints endpoints,
    DeliverWebhooks deliver,
    WebhookSender sender,
    IStorageWatch storage,
    ILogger<SendToTenants> logger
)
{
    private const int TriesOfWell = 4;
    private const int PlacesOfWell = 16;
    private const int PlacesOfFailing = 8;

    // One that has very much to send lets the others in now and then.
    private const int LongestTurn = 25;

    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, (Task Work, bool IsFailing)> _busy = [];

    /// <summary>Begins with endpoints that have something due, as far as there are places; does not wait for them.</summary>
    /// <returns>How many it began with.</returns>
    public async Task<int> BeginAsync(CancellationToken cancellationToken)
    {
        var (busy, well, failing) = Places();
        // More than there are places: those of one kind must not hide the other.
        var due = await endpoints.FindAsync(busy, PlacesOfWell + PlacesOfFailing * 8, cancellationToken);
        var begun = 0;
        foreach (var endpoint in due)
        {
            if ((endpoint.IsFailing ? failing-- : well--) > 0)
            {
                Begin(endpoint, cancellationToken);
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

    private (Guid[] Busy, int Well, int Failing) Places()
    {
        lock (_gate)
        {
            foreach (var (id, _) in _busy.Where(busy => busy.Value.Work.IsCompleted).ToList())
            {
                _busy.Remove(id);
            }

            var failing = _busy.Values.Count(busy => busy.IsFailing);
            return ([.. _busy.Keys], PlacesOfWell - (_busy.Count - failing), PlacesOfFailing - failing);
        }
    }

    private void Begin(DueEndpoint endpoint, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _busy[endpoint.Id] = (Task.Run(() => SendAsync(endpoint, cancellationToken), cancellationToken), endpoint.IsFailing);
        }
    }

    private async Task SendAsync(DueEndpoint endpoint, CancellationToken cancellationToken)
    {
        if (endpoint.Target.Secrets.Count == 0)
        {
            logger.SecretNotReadable(endpoint.Target.Endpoint);
            return;
        }

        try
        {
            for (var turn = 0; turn < LongestTurn; turn++)
            {
                var atOnce = endpoint.IsFailing ? 1 : TriesOfWell;
                var round = await deliver.RunAsync(endpoint.Target, sender, atOnce, cancellationToken);
                await endpoints.NoteAsync(endpoint, round, cancellationToken);
                // One that took nothing gives its place away and comes back as one that fails.
                if (round.Taken == 0 || round.IsGone)
                {
                    return;
                }
            }
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
    }
}
