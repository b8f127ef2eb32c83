using System.Globalization;
using System.Text.Json;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>A map of many items at a provider that refuses every third call.</summary>
public sealed class CrowdedMapTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const int Items = 40;
    private const int Concurrency = 8;

    private static readonly string Wide = $$$"""
        {"steps":[{"name":"each","type":"map","over":"{{input.documents}}","concurrency":{{{Concurrency}}},
                   "step":{"type":"chat","messages":[{"role":"user","content":"Read {{item}}"}]} }],
         "output":"{{steps.each}}"}
        """;

    [Fact]
    public async Task Every_item_is_done_once_in_its_place_and_never_more_of_them_at_once_than_the_step_says()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var model = await CrowdedModel.StartAsync(Concurrency);
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(model.Address, "m")],
            [("Worker:MaxConcurrentJobs", "16")]
        );
        var run = RunDraft.Of(Wide, JsonSerializer.Serialize(new { documents = Enumerable.Range(0, Items) }));
        await worker.SubmitAsync(run);
        // Those of one look are written down together: while nobody is answered, what is begun is all that may be.
        await model.AllAsked.WaitAsync(TimeSpan.FromSeconds(60), TestRun.Cancel);
        Assert.Equal(
            Concurrency,
            await worker.ScalarAsync<int>("SELECT count(*) FROM workflow_steps WHERE run_id = @id AND item >= 0", run.Id)
        );
        model.Answer();

        await worker.UntilAsync(
            async () =>
            {
                // Whoever refuses is asked more slowly, for longer than the test has: that time is over, too.
                await worker.ExecuteAsync("DELETE FROM call_paces", Guid.Empty);
                return await worker.ScalarAsync<bool>("SELECT status >= 6 FROM jobs WHERE id = @id", run.Id);
            },
            "the run has ended"
        );

        var job = (await worker.Reads.FindAsync(run.Id, TestRun.Cancel))!;
        Assert.True(job.Status == "completed", $"{job.Status}: {job.Error?.Message}");
        Assert.Equal(
            Enumerable.Range(0, Items).Select(item => $"Done with {item}."),
            JsonElement.Parse(job.Output!.Text).EnumerateArray().Select(each => each.GetString())
        );
        // The provider's own log: one answer an item, not in their order, and a third of all calls refused.
        Assert.Equal(Enumerable.Range(0, Items), model.Answered.Order());
        Assert.NotEqual(Enumerable.Range(0, Items), model.Answered);
        Assert.Equal(Concurrency, model.MostAtOnce);
        Assert.InRange(model.Refused, Items / 2 - 1, Items / 2 + 1);
        // Each item was one job, which was told to wait and did not fail.
        Assert.Equal(Items + 1, await worker.ScalarAsync<int>("SELECT count(*) FROM jobs"));
        Assert.Equal(
            Items,
            await worker.ScalarAsync<int>(
                "SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE j.type = 1 AND a.outcome = 1"
            )
        );
        var steps = await worker.Get<RunStepStore>().ShowAsync(ApiKeyStore.DefaultTenant, run.Id, null, 100, TestRun.Cancel);
        Assert.Equal(Items, steps.Where(step => step.Index is not null).Select(step => step.JobId).Distinct().Count());
    }

    /// <summary>Answers each item with its name, and every third call with 429.</summary>
    private sealed class CrowdedModel : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private readonly Lock _gate = new();
        private readonly int _awaited;
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _answering = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly HashSet<int> _underWay = [];
        private readonly List<int> _answered = [];
        private int _calls;

        private CrowdedModel(WebApplication app, int awaited) => (_app, _awaited) = (app, awaited);

        public Uri Address => new(_app.Urls.First());

        public IReadOnlyList<int> Answered
        {
            get
            {
                lock (_gate)
                {
                    return [.. _answered];
                }
            }
        }

        /// <summary>As many have asked as are awaited; nobody has an answer before <see cref="Answer"/>.</summary>
        public Task AllAsked => _all.Task;

        public void Answer() => _answering.TrySetResult();

        /// <summary>Items that were begun and not answered yet; one that was refused is still under way.</summary>
        public int MostAtOnce { get; private set; }

        public int Refused { get; private set; }

        /// <param name="awaited">Nobody is answered before so many have asked.</param>
        public static async Task<CrowdedModel> StartAsync(int awaited)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var model = new CrowdedModel(app, awaited);
            app.MapPost("/v1/chat/completions", model.AnswerAsync);
            await app.StartAsync(TestRun.Cancel);
            return model;
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();

        private async Task AnswerAsync(HttpContext context)
        {
            using var body = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
            var asked = body.RootElement.GetProperty("messages")[0].GetProperty("content").GetString()!;
            var item = int.Parse(asked["Read ".Length..], CultureInfo.InvariantCulture);
            await BeginAsync(item).WaitAsync(context.RequestAborted);
            if (!Take(item))
            {
                context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
                return;
            }

            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(Wire.Answer(Wire.OpenAi, "Done with ", $"{item}."), context.RequestAborted);
        }

        private Task BeginAsync(int item)
        {
            lock (_gate)
            {
                _underWay.Add(item);
                MostAtOnce = Math.Max(MostAtOnce, _underWay.Count);
                if (_underWay.Count >= _awaited)
                {
                    _all.TrySetResult();
                }

                return _answering.Task;
            }
        }

        private bool Take(int item)
        {
            lock (_gate)
            {
                if (_calls++ % 3 == 0)
                {
                    Refused++;
                    return false;
                }

                _underWay.Remove(item);
                _answered.Add(item);
                return true;
            }
        }
    }
}
