using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi.Batches;

// How a test makes, follows and reads a batch.
public sealed partial class BatchTests
{
    private async Task<HttpClient> TenantAsync() => api.Client(await api.AddTenantAsync());

    private async Task<HttpClient> LimitedAsync(int requestsPerMinute)
    {
        var http = await TenantAsync();
        using var made = await http.PostAsJsonAsync(
            "/api/v1/keys",
            JsonElement.Parse(
                $$"""{"limits":{"requests_per_minute":{{requestsPerMinute}} },"name":"few","scopes":["jobs:write","jobs:read"]}"""
            ),
            TestRun.Cancel
        );
        return api.Client(Text(await ReadAsync(made), "value"));
    }

    private static string Line(string id, string body = Chat) =>
        $$"""{"custom_id":"{{id}}","method":"POST","url":"/v1/chat/completions","body":{{body}}}""";

    private static async Task<string> CreateAsync(
        HttpClient http,
        string lines,
        string? metadata = null,
        string endpoint = "/v1/chat/completions"
    )
    {
        var part = new ByteArrayContent(Encoding.UTF8.GetBytes(lines));
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { part, "file", "lines.jsonl" } };
        var file = Text(await ReadAsync(await http.PostAsync("/v1/files", form, TestRun.Cancel)), "id");
        var more = metadata is null ? "" : $",\"metadata\":{metadata}";
        using var made = await PostAsync(
            http,
            $$"""{"input_file_id":"{{file}}","endpoint":"{{endpoint}}","completion_window":"24h"{{more}}}"""
        );
        return Text(await ReadAsync(made), "id")!;
    }

    private static Task<HttpResponseMessage> PostAsync(HttpClient http, string body) =>
        http.PostAsync("/v1/batches", new StringContent(body, new MediaTypeHeaderValue("application/json")), TestRun.Cancel);

    private static Task<JsonElement> UntilAsync(HttpClient http, string id, string status) =>
        Eventually.GetAsync(
            async token => await ReadAsync(await http.GetAsync($"/v1/batches/{id}", token)),
            batch => Text(batch, "status") == status,
            $"the batch is {status}",
            TimeSpan.FromSeconds(60)
        );

    /// <summary>The jobs of its lines, in their order, once there are so many.</summary>
    private async Task<List<Guid>> JobsAsync(string id, int count) =>
        await Eventually.GetAsync(
            async token =>
            {
                await using var command = api.Db.Source.CreateCommand(
                    "SELECT job_id FROM batch_lines WHERE batch_id = $1 AND job_id IS NOT NULL ORDER BY line"
                );
                command.Parameters.Add(new Npgsql.NpgsqlParameter { Value = GuidOf(id) });
                var jobs = new List<Guid>();
                await using var reader = await command.ExecuteReaderAsync(token);
                while (await reader.ReadAsync(token))
                {
                    jobs.Add(reader.GetGuid(0));
                }

                return jobs;
            },
            jobs => jobs.Count == count,
            $"{count} lines are jobs",
            TimeSpan.FromSeconds(60)
        );

    private async Task AnswerAsync(Guid jobId, string text)
    {
        var running = await (await api.WorkerAsync()).ClaimAsync(jobId);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded(text) with { Usage = new JobUsage(7, 2, 5, null) }));
    }

    private static async Task<List<JsonElement>> LinesAsync(HttpClient http, JsonElement batch, string file)
    {
        var text = await http.GetStringAsync($"/v1/files/{Text(batch, file)}/content", TestRun.Cancel);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line))];
    }

    private Task<long> CountAsync(JsonElement batch, string condition) =>
        ScalarAsync($"SELECT count(*) FROM batch_lines WHERE batch_id = '{GuidOf(Text(batch, "id")!)}' AND {condition}");

    private async Task<long> ScalarAsync(string sql)
    {
        await using var command = api.Db.Source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = api.Db.Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private static Guid GuidOf(string id) => Guid.ParseExact(id["batch_".Length..], "N");

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();
}

/// <summary>Who waits for a lock waits for long: tests hold some.</summary>
public sealed class BatchApi(PostgresServer postgres) : Api.ApiServer(postgres)
{
    protected override IEnumerable<(string Name, string Value)> Settings => [("Database:LockTimeout", "00:00:25")];
}
