using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Operations;
using AiBackend.ApiContracts.Tools;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiBackend.Tests.Web;

/// <summary>One job behind an Api whose streams break, repeat and skip as a test says. The real Api never does the last two.</summary>
internal sealed class ScriptedApi : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Func<int, IEnumerable<int>>> _connections = [];

    private volatile bool _endWasSent;

    private ScriptedApi(WebApplication app) => _app = app;

    public Job Job { get; set; } = Jobs.Some(JobStatuses.Processing);

    /// <summary>The whole log; <see cref="Known"/> of it were written before the reader came.</summary>
    public List<(string Type, string Data)> Log { get; } = [];

    public int Known { get; set; }

    public string Stored { get; set; } = "";

    /// <summary>While true, nobody is told of the job.</summary>
    public bool RefusesKey { get; set; }

    /// <summary>Refusals of the job that begin once its end was streamed.</summary>
    public int RefusalsAfterEnd { get; set; }

    public List<int> StreamedAfter { get; } = [];

    /// <summary>Steps of the run, by how often they were asked for before.</summary>
    public Func<int, Task<RunSteps>>? Steps { get; set; }

    /// <summary>Calls of tools, by how often they were asked for before.</summary>
    public Func<int, JobToolCalls> ToolCalls { get; set; } = _ => new([]);

    public JobTrace? Trace { get; set; }

    /// <summary>Of what stands beside the job, each part is refused so often once its end was streamed.</summary>
    public int RefusedLooks { get; set; }

    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public static async Task<ScriptedApi> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var api = new ScriptedApi(builder.Build());
        api.Map();
        await api._app.StartAsync(TestRun.Cancel);
        return api;
    }

    public void Add(params object[] payloads)
    {
        foreach (var payload in payloads)
        {
            Log.Add(
                payload switch
                {
                    DeltaEvent delta => (JobEventTypes.Delta, JsonSerializer.Serialize(delta, WireJson.Default.DeltaEvent)),
                    ResetEvent reset => (JobEventTypes.Reset, JsonSerializer.Serialize(reset, WireJson.Default.ResetEvent)),
                    ToolCallEvent call => (JobEventTypes.ToolCall, JsonSerializer.Serialize(call, WireJson.Default.ToolCallEvent)),
                    StateEvent state => (JobEventTypes.State, JsonSerializer.Serialize(state, WireJson.Default.StateEvent)),
                    FinalEvent final => (JobEventTypes.Final, JsonSerializer.Serialize(final, WireJson.Default.FinalEvent)),
                    _ => ("something_new", "{\"a\":1}"),
                }
            );
        }
    }

    /// <summary>Ends the log.</summary>
    public void Finish(string stored)
    {
        Stored = stored;
        Add(new FinalEvent(Ended));
    }

    /// <summary>The next connection sends these events, given the number it was asked to start after, and then breaks. Later ones are good.</summary>
    public void NextConnection(Func<int, IEnumerable<int>> sends) => _connections.Enqueue(sends);

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private Job Ended =>
        Job with
        {
            Status = JobStatuses.Completed,
            FinishedAt = Jobs.CreatedAt.AddSeconds(9),
            Output = new JobOutput(Stored, null, []),
        };

    private void Map()
    {
        var job = $"/api/v1/jobs/{{id}}";
        _app.MapGet("/api/v1/providers", () => Results.Text(Json(new ProviderList([]), WireJson.Default.ProviderList), "application/json"));
        _app.MapGet(
            job,
            (Guid id) =>
                id != Job.Id ? Results.NotFound()
                : RefusesKey ? Results.Unauthorized()
                : _endWasSent && RefusalsAfterEnd-- > 0 ? Results.Unauthorized()
                : Answer()
        );
        MapBeside("/trace", _ => Task.FromResult(Trace), WireJson.Default.JobTrace);
        MapBeside("/tool-calls", asked => Task.FromResult<JobToolCalls?>(ToolCalls(asked)), WireJson.Default.JobToolCalls);
        MapBeside("/steps", async asked => Steps is { } steps ? await steps(asked) : null, WireJson.Default.RunSteps);
        _app.MapGet(job + "/events", EventsAsync);
    }

    private void MapBeside<T>(string path, Func<int, Task<T?>> read, JsonTypeInfo<T> type)
        where T : class
    {
        var (asked, refused) = (0, 0);
        _app.MapGet(
            $"/api/v1/jobs/{{id}}{path}",
            async () =>
                _endWasSent && Interlocked.Increment(ref refused) <= RefusedLooks ? Results.Unauthorized()
                : await read(Interlocked.Increment(ref asked) - 1) is { } value ? Results.Text(Json(value, type), "application/json")
                : Results.NotFound()
        );
    }

    private IResult Answer() =>
        Results.Text(Json(StreamedAfter.Count > 0 || Known == Log.Count ? Ended : Job, WireJson.Default.Job), "application/json");

    private async Task EventsAsync(HttpContext context, int after)
    {
        if (context.Request.Headers.Accept.ToString().Contains("json", StringComparison.Ordinal))
        {
            var entries = Enumerable.Range(after + 1, Math.Max(Known - after, 0)).Select(Entry).ToList();
            int? next = Known == Log.Count ? null : Math.Max(after, Known);
            await context.Response.WriteAsync(Json(new JobEventPage(entries, next), WireJson.Default.JobEventPage), context.RequestAborted);
            return;
        }

        StreamedAfter.Add(after);
        context.Response.ContentType = "text/event-stream";
        var isScripted = _connections.TryDequeue(out var script);
        await context.Response.WriteAsync(": hello\n\n", context.RequestAborted);
        foreach (var seq in isScripted ? script!(after) : Enumerable.Range(after + 1, Log.Count - after))
        {
            _endWasSent |= Log[seq - 1].Type is JobEventTypes.Final;
            await context.Response.WriteAsync(
                string.Create(CultureInfo.InvariantCulture, $"id: {seq}\nevent: {Log[seq - 1].Type}\ndata: {Log[seq - 1].Data}\n\n"),
                context.RequestAborted
            );
        }

        if (isScripted)
        {
            // The line breaks in the middle of the next event.
            await context.Response.WriteAsync("id: 99\nevent: delta\ndata: {\"attempt\":1,\"te", context.RequestAborted);
        }
    }

    private JobEvent Entry(int seq) => new(seq, Log[seq - 1].Type, JsonDocument.Parse(Log[seq - 1].Data).RootElement);

    private static string Json<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.Serialize(value, type);
}
