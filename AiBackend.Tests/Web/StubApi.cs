using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Money;
using AiBackend.ApiContracts.Operations;
using AiBackend.ApiContracts.Routing;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiBackend.Tests.Web;

/// <summary>An Api that answers late, refuses and changes its mind as a test says, and counts what it was asked.</summary>
internal sealed class StubApi : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<string> _asked = [];

    private StubApi(WebApplication app) => _app = app;

    /// <summary>Newest first.</summary>
    public IReadOnlyList<Job> Runs { get; set; } = [];

    /// <summary>Awaited before a list is sent, with what it was asked for; the list is taken before.</summary>
    public Func<string, Task> BeforeList { get; set; } = _ => Task.CompletedTask;

    public IReadOnlyList<ProviderInfo> Providers { get; set; } = [];

    public IReadOnlyList<ModelRoute> Routes { get; set; } = [];

    public IReadOnlyList<Deployment> Deployments { get; set; } = [];

    /// <summary>What waits, and the limit for which new jobs are refused.</summary>
    public QueueCapacityInfo? Capacity { get; set; }

    /// <summary>What calls cost, whatever is asked for.</summary>
    public IReadOnlyList<UsageRow> Usage { get; set; } = [];

    /// <summary>How good the told waits were.</summary>
    public Calibration? Calibration { get; set; }

    /// <summary>How often models keep contracts.</summary>
    public IReadOnlyList<ContractRate> Contracts { get; set; } = [];

    /// <summary>While true, the Api does not say which providers it has.</summary>
    public bool HidesProviders { get; set; }

    /// <summary>While true, nobody gets an answer to what they submit.</summary>
    public bool RefusesSubmissions { get; set; }

    /// <summary>Key and body of every submission, the refused ones included.</summary>
    public ConcurrentQueue<(string Key, string Body)> Submitted { get; } = [];

    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public static async Task<StubApi> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var api = new StubApi(builder.Build());
        api.Map();
        await api._app.StartAsync(TestRun.Cancel);
        return api;
    }

    /// <summary>Questions so far whose path begins like this.</summary>
    public int CountOf(string path) => _asked.Count(asked => asked.StartsWith(path, StringComparison.Ordinal));

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private void Map()
    {
        _app.Use(
            (context, next) =>
            {
                _asked.Enqueue(context.Request.Path + context.Request.QueryString);
                return next(context);
            }
        );
        _app.MapGet("/api/v1/jobs", ListAsync);
        _app.MapPost("/api/v1/jobs", SubmitAsync);
        _app.MapGet(
            "/api/v1/jobs/{id}",
            (Guid id) => Runs.FirstOrDefault(run => run.Id == id) is { } run ? Json(run, WireJson.Default.Job) : Results.NotFound()
        );
        _app.MapGet(
            "/api/v1/providers",
            () => HidesProviders ? Results.Unauthorized() : Json(new ProviderList(Providers), WireJson.Default.ProviderList)
        );
        // A page of another origin, with these addresses in frames.
        _app.MapGet(
            "/framing",
            (string[] of) => Results.Text(string.Concat(of.Select(address => $"<iframe src=\"{address}\"></iframe>")), "text/html")
        );
        _app.MapGet("/api/v1/routes", () => Json(new RouteList(Routes), WireJson.Default.RouteList));
        _app.MapGet("/api/v1/deployments", () => Json(new DeploymentList(Deployments), WireJson.Default.DeploymentList));
        _app.MapGet("/api/v1/workers", () => Json(new WorkerList([]), WireJson.Default.WorkerList));
        _app.MapGet("/api/v1/queues", () => Json(new QueueList([], []) { Capacity = Capacity }, WireJson.Default.QueueList));
        _app.MapGet("/api/v1/alerts", () => Json(new ApiContracts.DeadLetters.AlertList([]), WireJson.Default.AlertList));
        _app.MapGet("/api/v1/stats", () => Json(Idle with { Calibration = Calibration, Contracts = Contracts }, WireJson.Default.Stats));
        _app.MapGet("/api/v1/usage", () => Json(new UsageReport(Day, Day, Usage), WireJson.Default.UsageReport));
        _app.MapGet("/api/v1/budgets", () => Json(new BudgetList([]), WireJson.Default.BudgetList));
        _app.MapGet(
            "/health/ready",
            () => Json(new HealthReport("healthy", new Dictionary<string, string>(StringComparer.Ordinal)), WireJson.Default.HealthReport)
        );
    }

    private async Task<IResult> ListAsync(HttpRequest request)
    {
        var statuses = request.Query["status"];
        var limit = int.Parse(request.Query["limit"].ToString(), CultureInfo.InvariantCulture);
        var page = new JobPage([.. Runs.Where(run => statuses.Count == 0 || statuses.Contains(run.Status)).Take(limit)], null);
        await BeforeList(string.Join(',', statuses.AsEnumerable()));
        return Json(page, WireJson.Default.JobPage);
    }

    private async Task<IResult> SubmitAsync(HttpRequest request)
    {
        using var body = new StreamReader(request.Body);
        Submitted.Enqueue((request.Headers["Idempotency-Key"].ToString(), await body.ReadToEndAsync(request.HttpContext.RequestAborted)));
        if (RefusesSubmissions)
        {
            return Results.Unauthorized();
        }

        var run = Jobs.Some(JobStatuses.Queued);
        Runs = [run, .. Runs];
        return Json(run, WireJson.Default.Job);
    }

    private static DateOnly Day => DateOnly.FromDateTime(Jobs.CreatedAt.UtcDateTime);

    private static Stats Idle =>
        new()
        {
            WindowSeconds = 900,
            AsOf = Jobs.CreatedAt,
            Queue = [],
            Processing = 0,
            DeadLetters = 0,
            Latency = [],
            Finished = new Dictionary<string, long>(StringComparer.Ordinal),
            Retries = 0,
            Fallbacks = 0,
            InputTokens = 0,
            OutputTokens = 0,
            CostUsd = 0,
        };

    private static IResult Json<T>(T value, JsonTypeInfo<T> type) =>
        Results.Text(JsonSerializer.Serialize(value, type), "application/json");
}
