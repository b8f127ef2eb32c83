using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Operations;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>What the Api does about providers that workers have found down: it shows them, and refuses what cannot come in time.</summary>
public sealed class DownProviderTests(PostgresServer postgres) : IAsyncLifetime
{
    private const string Provider = "simulator";
    private const string Model = "sim";

    private readonly ApiServer _api = new(postgres);
    private readonly Guid _worker = Guid.CreateVersion7();

    public async ValueTask InitializeAsync()
    {
        await _api.InitializeAsync();
        await AddWorkerAsync(_worker);
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task I_14_a_job_that_could_not_begin_before_its_deadline_is_refused_at_once_with_the_provider_and_the_wait()
    {
        await SayAsync(_worker, new DownDeployment(Provider, Model, IsProbed: false, TimeSpan.FromSeconds(40)));
        await UntilStateAsync("down");

        using var refused = await Eventually.GetAsync(
            _ => _api.PostAsync(WithDeadline(20)),
            // Taken where Postgres does not say at once what workers know.
            answer => answer.StatusCode == HttpStatusCode.ServiceUnavailable,
            "the job is refused"
        );

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal("provider_down", problem.Code);
        Assert.Contains("Provider 'simulator' is down for the model \"sim\"", problem.Detail, StringComparison.Ordinal);
        Assert.InRange(problem.RetryAfter!.Value, 20, 40);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 20, 40);

        await _api.SubmitAsync(WithDeadline(60));
        await _api.SubmitAsync();
    }

    [Fact]
    public async Task I_14_the_refusal_takes_at_most_a_tenth_of_a_second()
    {
        await SayAsync(_worker, new DownDeployment(Provider, Model, IsProbed: false, TimeSpan.FromMinutes(5)));
        await UntilStateAsync("down");

        var times = new List<TimeSpan>();
        for (var submit = 0; submit < 100 && times.Count < 21; submit++)
        {
            var began = TimeProvider.System.GetTimestamp();
            using var refused = await _api.PostAsync(WithDeadline(20));
            // Taken where Postgres does not say at once what workers know.
            if (refused.StatusCode == HttpStatusCode.ServiceUnavailable)
            {
                times.Add(TimeProvider.System.GetElapsedTime(began));
            }
        }

        Assert.Equal(21, times.Count);
        // The quickest quarter: this machine does other things beside, and a wait for a provider would show in every one.
        Assert.InRange(times.Order().ElementAt(5), TimeSpan.Zero, TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task A_repeat_of_what_was_accepted_is_answered_as_then()
    {
        var body = WithDeadline(20);
        var job = await _api.SubmitAsync(body, ("Idempotency-Key", "k"));
        await SayAsync(_worker, new DownDeployment(Provider, Model, IsProbed: false, TimeSpan.FromSeconds(60)));
        await UntilStateAsync("down");

        Assert.Equal(job.Id, (await _api.SubmitAsync(body, ("Idempotency-Key", "k"))).Id);
    }

    [Fact]
    public async Task What_a_worker_might_still_ask_or_finds_out_now_is_accepted()
    {
        await SayAsync(_worker, new DownDeployment(Provider, Model, IsProbed: true, TimeSpan.Zero));
        await UntilStateAsync("probing");
        await _api.SubmitAsync(WithDeadline(20));

        await SayAsync(_worker, new DownDeployment(Provider, Model, IsProbed: false, TimeSpan.FromSeconds(60)));
        await AddWorkerAsync(Guid.CreateVersion7());
        await UntilStateAsync("down");
        await Eventually.TrueAsync(
            async _ => (await _api.Get<DownDeployments>().LatestAsync())?.Any(each => !each.ToAll) == true,
            "the other worker is seen"
        );
        await _api.SubmitAsync(WithDeadline(20));
    }

    [Fact]
    public async Task What_a_dead_worker_said_and_what_is_well_again_counts_no_more()
    {
        await SayAsync(_worker, new DownDeployment(Provider, Model, IsProbed: false, TimeSpan.FromSeconds(60)));
        await UntilStateAsync("down");
        await SayAsync(_worker);
        await UntilStateAsync("up");

        await SayAsync(_worker, new DownDeployment(Provider, Model, IsProbed: false, TimeSpan.FromSeconds(60)));
        await UntilStateAsync("down");
        await using var die = _api.Db.Source.CreateCommand("UPDATE workers SET last_seen_at = now() - interval '11 seconds'");
        await die.ExecuteNonQueryAsync(TestRun.Cancel);
        await UntilStateAsync("up");
        await _api.SubmitAsync(WithDeadline(20));
    }

    private static string WithDeadline(int seconds) =>
        ApiServer.Chat[..^1] + $",\"deadline\":\"{TimeProvider.System.GetUtcNow().AddSeconds(seconds):O}\"}}";

    private async Task AddWorkerAsync(Guid id)
    {
        await using var add = _api.Db.Source.CreateCommand("INSERT INTO workers (id, name, slots, busy) VALUES ($1, 'w', 1, 0)");
        add.Parameters.Add(new Npgsql.NpgsqlParameter { Value = id });
        await add.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private Task SayAsync(Guid worker, params IReadOnlyList<DownDeployment> down) =>
        _api.Get<DownDeployments>().RecordAsync(worker, down, TestRun.Cancel);

    private Task UntilStateAsync(string state) =>
        Eventually.TrueAsync(
            async token =>
            {
                // Nobody beats the heart of the test's workers.
                await using var beat = _api.Db.Source.CreateCommand(
                    "UPDATE workers SET last_seen_at = now() WHERE last_seen_at > now() - interval '10 seconds'"
                );
                await beat.ExecuteNonQueryAsync(token);
                var list = await _api.Http.GetByteArrayAsync("/api/v1/providers", token);
                return JsonSerializer.Deserialize(list, WireJson.Default.ProviderList)!.Data.Single().State == state;
            },
            $"the provider is shown as {state}"
        );
}
