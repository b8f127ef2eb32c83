using System.Text;
using System.Text.Json;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.OpenAiApi.Batches;

/// <summary>A batch whose server dies in the middle, on the whole running stack.</summary>
[Collection(StackCollection.Name)]
public sealed class BatchCrashTests(StackFixture fixture)
{
    private const int Lines = 400;

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task F_1_a_batch_whose_Api_is_killed_while_it_hands_over_lines_loses_none_and_asks_no_provider_twice()
    {
        var model = await _client.TeachWordsAsync(3, 1, firstMs: 1);
        // None of its jobs ends before the kill, so no more lines than may be open are handed over.
        Assert.True(await HoldAsync("pause", model), "the model is paused");
        var id = await CreateAsync(model);
        await Eventually.TrueAsync(async _ => await CountAsync(model) >= 50, "lines are jobs", TimeSpan.FromSeconds(60));

        _stack.Processes.Kill("api");
        var atKill = await CountAsync(model);
        await Eventually.TrueAsync(_ => HoldAsync("resume", model), "the model is resumed", TimeSpan.FromSeconds(60));

        var batch = await Eventually.GetAsync(
            async token => JsonElement.Parse(await _stack.Api.GetStringAsync($"/v1/batches/{id}", token)),
            seen => Text(seen, "status") == "completed",
            "the batch is completed",
            TimeSpan.FromSeconds(120)
        );
        Assert.True(atKill < Lines, $"{atKill} lines were handed over before the kill");
        Assert.Equal($$"""{"total":{{Lines}},"completed":{{Lines}},"failed":0}""", batch.GetProperty("request_counts").GetRawText());
        var content = await _stack.Api.GetStringAsync($"/v1/files/{Text(batch, "output_file_id")}/content", TestRun.Cancel);
        var answered = content
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => Text(JsonElement.Parse(line), "custom_id"));
        Assert.Equal(Enumerable.Range(1, Lines).Select(line => $"{line}"), answered);
        Assert.Equal(Lines, await CountAsync(model));
        var calls = JsonElement.Parse(await _stack.Simulator.GetStringAsync($"/sim/calls?model={model}", TestRun.Cancel));
        Assert.Equal(Lines, calls.GetProperty("data").GetArrayLength());
    }

    private async Task<string> CreateAsync(string model)
    {
        var lines = Enumerable
            .Range(1, Lines)
            .Select(line =>
                $$$"""{"custom_id":"{{{line}}}","method":"POST","url":"/v1/chat/completions","body":{"model":"{{{model}}}","messages":[{"role":"user","content":"Go on."}]}}"""
            );
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new ByteArrayContent(Encoding.UTF8.GetBytes(string.Join('\n', lines))), "file", "lines.jsonl" },
        };
        using var uploaded = await _stack.Api.PostAsync("/v1/files", form, TestRun.Cancel);
        var file = Text(await OpenAiClientOf.ReadAsync(uploaded), "id");
        using var made = await _stack.Api.PostAsJsonAsync(
            "/v1/batches",
            new Dictionary<string, string?>
            {
                ["input_file_id"] = file,
                ["endpoint"] = "/v1/chat/completions",
                ["completion_window"] = "24h",
            },
            TestRun.Cancel
        );
        return Text(await OpenAiClientOf.ReadAsync(made), "id")!;
    }

    private async Task<bool> HoldAsync(string act, string model)
    {
        using var response = await _stack.Api.PostAsJsonAsync(
            $"/api/v1/queues/{act}",
            new Dictionary<string, string> { ["kind"] = "model", ["name"] = model },
            TestRun.Cancel
        );
        return response.IsSuccessStatusCode;
    }

    private async Task<long> CountAsync(string model)
    {
        await using var database = Npgsql.NpgsqlDataSource.Create(_stack.Postgres);
        await using var command = database.CreateCommand("SELECT count(*) FROM jobs WHERE model = $1");
        command.Parameters.Add(new Npgsql.NpgsqlParameter { Value = model });
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();
}
