using System.Text.Json.Serialization;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Operations;
using AiBackend.Web.Api;
using static System.FormattableString;

namespace AiBackend.Web.Operations;

/// <summary>What the overview shows, taken at one moment. A part that could not be read is null.</summary>
public sealed record OpsSnapshot(DateTimeOffset TakenAt, Stats? Stats, WorkerList? Workers, HealthReport? Health, ProviderList? Providers)
{
    private static readonly IReadOnlyDictionary<string, string> NoChecks = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Why parts are missing; null when none is.</summary>
    public ApiFailure? Failure { get; init; }

    /// <summary>What calls for a person; null when it could not be read.</summary>
    public IReadOnlyList<Alert>? Alerts { get; init; }

    /// <summary>The queues and what is held back; null when it could not be read.</summary>
    public QueueList? Queues { get; init; }

    internal static async Task<OpsSnapshot> TakeAsync(ApiClient api, TimeProvider clock, CancellationToken cancellationToken)
    {
        var stats = api.GetStatsAsync(cancellationToken);
        var workers = api.GetWorkersAsync(cancellationToken);
        var health = api.GetHealthAsync(cancellationToken);
        var providers = api.GetProvidersAsync(cancellationToken);
        var alerts = api.ListAlertsAsync(cancellationToken);
        var queues = api.GetQueuesAsync(cancellationToken);
        await Task.WhenAll(stats, workers, health, providers, alerts, queues);

        var (statsRead, workersRead, healthRead) = (await stats, await workers, await health);
        return new OpsSnapshot(
            clock.GetUtcNow(),
            statsRead.ValueOrDefault,
            workersRead.ValueOrDefault,
            healthRead.ValueOrDefault,
            (await providers).ValueOrDefault
        )
        {
            Queues = (await queues).ValueOrDefault,
            Alerts = (await alerts).ValueOrDefault?.Data,
            Failure = statsRead.FailureOrNull ?? workersRead.FailureOrNull ?? healthRead.FailureOrNull,
        };
    }

    /// <summary>Keeps the latest known value of every part, so that an outage leaves the last numbers on screen.</summary>
    public OpsSnapshot Over(OpsSnapshot? earlier) =>
        this with
        {
            TakenAt = Stats is null && earlier is not null ? earlier.TakenAt : TakenAt,
            Stats = Stats ?? earlier?.Stats,
            Workers = Workers ?? earlier?.Workers,
            Providers = Providers ?? earlier?.Providers,
            Alerts = Alerts ?? earlier?.Alerts,
            Queues = Queues ?? earlier?.Queues,
        };

    /// <summary>Every part of the installation with the word for its state, the worst first.</summary>
    [JsonIgnore]
    public IReadOnlyList<OpsResource> Resources =>
        [
            .. new[]
            {
                new OpsResource("web", "healthy", "this site"),
                new OpsResource("api", Health is null ? "unhealthy" : "healthy", ApiNote),
            }
                .Concat((Health?.Checks ?? NoChecks).Select(check => new OpsResource(check.Key, check.Value, "")))
                .Append(WorkersResource)
                .OrderBy(resource => resource.Rank),
        ];

    private string ApiNote =>
        Health is null ? "no answer"
        : Health.Status is "healthy" ? ""
        : "some of what it needs is missing";

    private OpsResource WorkersResource
    {
        get
        {
            var alive = Workers?.Data.Count(worker => worker.Status is "alive") ?? 0;
            return alive > 0 ? new("worker", "healthy", Invariant($"{alive} alive"))
                : Workers is null ? new("worker", "unknown", "not known now")
                : new("worker", "unhealthy", "none alive: work waits");
        }
    }
}

/// <summary>One part of the installation.</summary>
/// <param name="Name">As in the AppHost.</param>
/// <param name="State"><c>healthy</c>, <c>degraded</c>, <c>unhealthy</c> or <c>unknown</c>.</param>
/// <param name="Note">What else is worth knowing; empty when nothing.</param>
public sealed record OpsResource(string Name, string State, string Note)
{
    public int Rank =>
        State switch
        {
            "unhealthy" => 0,
            "degraded" => 1,
            "unknown" => 2,
            _ => 3,
        };

    public string Word =>
        State switch
        {
            "healthy" => "Healthy",
            "degraded" => "Degraded",
            "unhealthy" => "Down",
            _ => "Unknown",
        };
}
