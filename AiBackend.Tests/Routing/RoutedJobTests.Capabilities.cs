using System.Diagnostics.Metrics;
using AiBackend.Core.Jobs;
using AiBackend.Core.Routing;
using AiBackend.Tests.Contracts;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Routing;

// What deployments can, and hold.
public sealed partial class RoutedJobTests
{
    [Fact]
    public async Task Who_does_not_say_that_it_answers_in_json_is_asked_for_it_in_words_alone()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var plain = new RawProvider(RawReply.Stream(Wire.Answer(Wire.OpenAi, "{\"total\":3}")));
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (plain.Address, "plain"));
        await worker
            .Get<RoutingStore>()
            .AddAsync(RoutingKind.Deployment, "p0/plain", """{"capabilities":["tools"]}""", null, "k", TestRun.Cancel);
        await worker.Get<CatalogRefresh>().RefreshAsync(TestRun.Cancel);
        var draft = CoreHost.Draft() with
        {
            Terms = new JobTerms { Contract = Contract.OfSchema("""{"type":"object","required":["total"]}""") }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };

        var job = await worker.RunJobAsync(draft);

        Assert.Equal(("completed", "{\"total\":3}"), (job.Status, job.Output!.Text));
        var request = Assert.Single(plain.Requests).Json;
        Assert.False(request.TryGetProperty("response_format", out _));
        Assert.Contains("JSON Schema", request.GetProperty("messages")[0].GetProperty("content").GetString(), StringComparison.Ordinal);
        Assert.Contains(
            await worker.EventsAsync(draft.Id),
            each => each.Kind == JobEventKind.Notice && each.Data.Contains("response_format", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task A_prompt_that_the_provider_says_is_too_long_goes_to_the_model_with_more_room_and_nowhere_else()
    {
        const string TooLong = """{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}""";
        await using var database = await postgres.CreateDatabaseAsync();
        await using var small = new RawProvider(RawReply.Status(400, TooLong));
        var (same, large) = (await simulator.ModelAsync(new { words = 2 }), await simulator.ModelAsync(new { words = 2 }));
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(small.Address, "small"), (simulator.Address, same), (simulator.Address, large)],
            [("Routing:RefreshEvery", "00:00:00.1")]
        );
        var refused = await worker.RunJobAsync(CoreHost.Draft());
        Assert.Equal(("failed", "context_length_exceeded"), (refused.Status, refused.Error!.Code));

        await ContextAsync(worker, "p0/small", 1000);
        await ContextAsync(worker, $"p1/{same}", 1000);
        await ContextAsync(worker, $"p2/{large}", 2000);
        await worker.Get<CatalogRefresh>().RefreshAsync(TestRun.Cancel);
        using var measured = new Measurements(worker.Get<IMeterFactory>(), "AiBackend.Providers");
        var draft = CoreHost.Draft();
        var job = await worker.RunJobAsync(draft);

        var (_, tags) = Assert.Single(measured.Of("aibackend.provider.switches"));
        Assert.Equal((large, "context_length"), (tags["gen_ai.request.model"], tags["reason"]));
        Assert.Equal(("completed", large, 1), (job.Status, job.ServedBy!.Model, job.ServedBy.Fallbacks));
        Assert.Empty(await simulator.CallsAsync(same, TestRun.Cancel));
        Assert.Contains(
            await worker.EventsAsync(draft.Id),
            each => each.Kind == JobEventKind.Notice && each.Data.Contains("model_switched", StringComparison.Ordinal)
        );
    }
}
