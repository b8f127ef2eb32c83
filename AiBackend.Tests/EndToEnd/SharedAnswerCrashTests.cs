using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.EndToEnd;

/// <summary>Equal jobs over HTTP, while the worker of the one that asks is killed.</summary>
[Collection(StackCollection.Name)]
public sealed class SharedAnswerCrashTests(StackFixture fixture)
{
    private const int Jobs = 8;
    private const int WordCount = 120;

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task F_2_I_7_equal_jobs_whose_leader_is_killed_all_get_the_answer_for_one_call_more_and_the_ledger_has_both()
    {
        // Far longer than it takes until all others wait for it, on whatever machine.
        var model = await _client.TeachWordsAsync(WordCount, intervalMs: 200);
        var ids = new List<Guid>();
        for (var i = 0; i < Jobs; i++)
        {
            ids.Add(await SubmitAsync(model));
        }

        await Eventually.TrueAsync(
            async _ =>
                await CountAsync(
                    $"SELECT count(*) FROM jobs WHERE model = '{model}' AND status = 5 AND waiting_reason LIKE 'single_flight:%'"
                )
                    == Jobs - 1
                && await CountAsync(
                    $"SELECT count(*) FROM job_events e JOIN jobs j ON j.id = e.job_id WHERE j.model = '{model}' AND e.kind = 2"
                ) > 3,
            "one writes and the others wait for it",
            TimeSpan.FromSeconds(30)
        );
        _stack.KillWorker(await _stack.HolderAsync(model));
        await _client.TeachWordsAsync(model, WordCount, intervalMs: 5);

        var jobs = await Task.WhenAll(ids.Select(id => _client.EndAsync(id)));

        Assert.All(jobs, job => Assert.Equal((JobStatuses.Completed, JobClient.Words(WordCount)), (job.Status, job.Output!.Text)));
        var calls = await CallsAsync(model);
        Assert.Equal(2, calls.Count);
        Assert.Equal(1, jobs.Count(job => job.ServedBy!.Cache == "miss"));
        // I-7: the ledger and the provider's own log name the same calls.
        var ledger = await Eventually.GetAsync(
            async _ => (await Task.WhenAll(ids.Select(_client.TraceAsync))).SelectMany(trace => trace.Ledger).ToList(),
            // A call is booked a moment after its job has ended.
            entries => entries.Count > 1 && entries.All(entry => entry.State is "settled" or "unknown_spend"),
            "both calls are booked"
        );
        Assert.Equal(
            calls.Select(call => call.RequestId).Order(StringComparer.Ordinal),
            ledger.Select(entry => entry.Call).Order(StringComparer.Ordinal)
        );
        Assert.Equal(["settled", "unknown_spend"], ledger.Select(entry => entry.State).Order(StringComparer.Ordinal));
    }

    private async Task<Guid> SubmitAsync(string model)
    {
        using var response = await _stack.Api.PostAsJsonAsync(
            "/api/v1/jobs",
            new
            {
                type = "chat",
                model,
                cache = "read_write",
                input = new { messages = new[] { new { role = "user", content = "The same for all." } } },
            },
            TestRun.Cancel
        );
        Assert.Equal(System.Net.HttpStatusCode.Accepted, response.StatusCode);
        return JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.Job)!.Id;
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_stack.Postgres + ";Pooling=false");
#pragma warning disable CA2100 // A name of the test's own.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private async Task<IReadOnlyList<(string Outcome, string? RequestId)>> CallsAsync(string model)
    {
        var log = await _stack.Simulator.GetFromJsonAsync<JsonElement>($"/sim/calls?model={model}", TestRun.Cancel);
        return
        [
            .. log.GetProperty("data")
                .EnumerateArray()
                .Select(call => (call.GetProperty("outcome").GetString()!, call.GetProperty("request_id").GetString())),
        ];
    }
}
