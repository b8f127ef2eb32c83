using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Web.Browser;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>Leaders that die after each batch of a bulk action, before anybody is told of its jobs (F-2 at K18).</summary>
[Collection(StackCollection.Name)]
public sealed class BulkKillTests(StackFixture fixture) : IAsyncDisposable
{
    private const int Letters = 14;
    private const string Point = "K18";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);
    private readonly FaultInjection _faults = new(fixture.Stack);

    [Fact]
    [Trait("Category", "Long")]
    public async Task F_2_a_canary_whose_leaders_die_after_every_batch_stops_or_goes_on_as_if_none_had_and_replays_each_letter_once()
    {
        var model = await _stack.TeachRefusalAsync(status: 404);
        var dead = await DieAsync(model);
        await _faults.ArmAllAsync("worker", $"{Point}:kill");

        // The cause is still there: the leader that comes next must find out before it replays more.
        var stopped = await EndAsync(await BeginAsync(dead));
        Assert.Equal(("stopped", 1L, Letters - 1L), (stopped.Status, stopped.Done, stopped.Waiting));
        Assert.Equal(1, _faults.Reached(Point));

        await _stack.TeachTextAsync("Mended.", 1, model);
        var open = await OpenAsync(model);
        Assert.Contains(stopped.StoppedBy!.Value, open);
        var action = await BeginAsync([.. open]);
        var done = await EndAsync(action);

        Assert.Equal(("completed", (long)Letters, 0L), (done.Status, done.Done, done.Skipped));
        Assert.Equal(4, _faults.Reached(Point));
        Assert.Empty(await OpenAsync(model));
        Assert.Equal(
            [(1, 1), (2, 10), (3, 3)],
            await RowsAsync(
                "SELECT stage::int, count(*)::int FROM bulk_items WHERE action_id = @id GROUP BY stage ORDER BY stage",
                action,
                row => (row.GetInt32(0), row.GetInt32(1))
            )
        );
        Assert.Empty(await EarlyAsync(action));
        var made = await RowsAsync(
            "SELECT count(*)::int, count(DISTINCT p.replay_of)::int FROM job_payloads p JOIN jobs j ON j.id = p.job_id WHERE j.model = @model AND p.replay_of IS NOT NULL",
            model,
            row => (row.GetInt32(0), row.GetInt32(1))
        );
        Assert.Equal([(Letters + 1, Letters + 1)], made);
    }

    public async ValueTask DisposeAsync()
    {
        await _faults.DisarmAllAsync("worker");
        _faults.Dispose();
    }

    /// <summary>Jobs that have failed for good and whose cause is known: only then a bulk action takes them.</summary>
    private async Task<Guid[]> DieAsync(string model)
    {
        await Task.WhenAll(Enumerable.Range(0, Letters).Select(_ => _client.SubmitAsync(model)));
        return [.. await Eventually.GetAsync(_ => OpenAsync(model), open => open.Count == Letters, "all jobs are dead letters", Patience)];
    }

    private async Task<Guid> BeginAsync(Guid[] letters)
    {
        using var response = await _stack.Api.PostAsJsonAsync(
            "/api/v1/dead-letters/replay",
            new
            {
                ids = letters,
                canary = true,
                rate = 100,
            },
            TestRun.Cancel
        );
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        return JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.BulkAction)!.Id;
    }

    private Task<BulkAction> EndAsync(Guid action) =>
        Eventually.GetAsync(
            async cancellationToken =>
            {
                var bytes = await _stack.Api.GetByteArrayAsync($"/api/v1/bulk/{action}", cancellationToken);
                return JsonSerializer.Deserialize(bytes, WireJson.Default.BulkAction)!;
            },
            seen => seen.HasEnded,
            "the bulk action ends",
            Patience
        );

    private Task<List<Guid>> OpenAsync(string model) =>
        RowsAsync(
            "SELECT d.job_id FROM dead_letters d JOIN jobs j ON j.id = d.job_id WHERE j.model = @model AND d.replayed_by IS NULL AND d.fingerprint IS NOT NULL",
            model,
            row => row.GetGuid(0)
        );

    /// <summary>New jobs that were made before one of an earlier stage had ended.</summary>
    private Task<List<Guid>> EarlyAsync(Guid action) =>
        RowsAsync(
            """
            SELECT j.id FROM bulk_items i JOIN jobs j ON j.id = i.new_job_id
              JOIN bulk_items b ON b.action_id = i.action_id AND b.stage < i.stage JOIN jobs e ON e.id = b.new_job_id
             WHERE i.action_id = @id AND (e.finished_at IS NULL OR e.finished_at > j.created_at)
            """,
            action,
            row => row.GetGuid(0)
        );

    private async Task<List<T>> RowsAsync<T>(string sql, object parameter, Func<NpgsqlDataReader, T> read)
    {
        await using var source = NpgsqlDataSource.Create(_stack.Postgres + ";Pooling=false");
#pragma warning disable CA2100 // Constants of this class.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue(parameter is Guid ? "id" : "model", parameter);
        await using var reader = await command.ExecuteReaderAsync(TestRun.Cancel);
        List<T> rows = [];
        while (await reader.ReadAsync(TestRun.Cancel))
        {
            rows.Add(read(reader));
        }

        return rows;
    }
}
