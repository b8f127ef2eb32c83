using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Files;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>An Api that dies in the middle of what makes no job: uploads, prompts, knowledge (F-1). There is all of it or nothing, and once.</summary>
[Collection(StackCollection.Name)]
public sealed class StoreKillTests(StackFixture fixture) : IDisposable
{
    private readonly Stack _stack = fixture.Stack;
    private readonly FaultInjection _faults = new(fixture.Stack);
    private readonly string _name = $"n{Guid.CreateVersion7():N}";

    [Theory]
    [InlineData("K31", "K31:kill@2", false)]
    [InlineData("K32", "K32:kill", false)]
    [InlineData("K33", "K33:kill", true)]
    public async Task F_1_an_upload_whose_Api_dies_is_there_whole_or_not_at_all_and_its_repeat_finds_or_makes_the_one(
        string point,
        string plan,
        bool isMade
    )
    {
        var content = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(_name, 30_000)));
        await _faults.ArmAsync("api", plan);

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => SampleFiles.PostAsync(_stack.Api, content, "a.txt", key: _name));
        await _faults.ReachedAsync(point);
        Assert.Equal(
            isMade ? 1 : 0,
            Scalar($"SELECT count(*) FROM files WHERE ready_at IS NOT NULL AND bytes = {content.Length} AND name = 'a.txt'")
        );
        var (id, isReplayed) = await RepeatAsync(() => SampleFiles.PostAsync(_stack.Api, content, "a.txt", key: _name), "id");
        var (again, _) = await RepeatAsync(() => SampleFiles.PostAsync(_stack.Api, content, "a.txt", key: _name), "id");

        Assert.Equal((isMade, id), (isReplayed, again));
        Assert.Equal(1, Scalar($"SELECT count(*) FROM files WHERE ready_at IS NOT NULL AND bytes = {content.Length} AND name = 'a.txt'"));
        Assert.Equal(content, await _stack.Api.GetByteArrayAsync($"/api/v1/files/{id}/content", TestRun.Cancel));
        using var gone = await _stack.Api.DeleteAsync($"/api/v1/files/{id}", TestRun.Cancel);
        Assert.True(gone.IsSuccessStatusCode);
    }

    [Theory]
    [InlineData("K32", false)]
    [InlineData("K33", true)]
    public async Task F_1_a_version_of_a_prompt_whose_Api_dies_is_added_once_however_often_it_is_sent(string point, bool isMade)
    {
        Task<HttpResponseMessage> AddAsync(string text) =>
            SendAsync(
                HttpMethod.Post,
                $"/api/v1/prompts/{_name}/versions",
                $$"""{"template":{"messages":[{"role":"user","content":"{{text}}"}]} }""",
                _name + text
            );
        using var first = await SendAsync(
            HttpMethod.Post,
            "/api/v1/prompts",
            $$"""{"name":"{{_name}}","template":{"messages":[{"role":"user","content":"one"}]} }""",
            key: null
        );
        Assert.True(first.IsSuccessStatusCode, await first.Content.ReadAsStringAsync(TestRun.Cancel));
        await _faults.ArmAsync("api", $"{point}:kill");

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => AddAsync("two"));
        await _faults.ReachedAsync(point);
        Assert.Equal(isMade ? 2 : 1, Scalar($"SELECT latest::bigint FROM prompts WHERE name = '{_name}'"));
        var (version, isReplayed) = await RepeatAsync(() => AddAsync("two"), "version");
        var (next, _) = await RepeatAsync(() => AddAsync("three"), "version");
        var (again, _) = await RepeatAsync(() => AddAsync("two"), "version");

        Assert.Equal((isMade, "2", "3", "2"), (isReplayed, version, next, again));
        Assert.Equal(3, Scalar($"SELECT count(*) FROM prompt_versions WHERE name = '{_name}'"));
    }

    [Fact]
    public async Task F_1_a_document_whose_Api_dies_is_the_old_one_or_the_new_one_and_its_repeat_is_the_same_document()
    {
        static string TextOf(string word) => string.Concat(Enumerable.Repeat($"{word} {word} {word}.\\n\\n", 400));
        var path = $"/api/v1/knowledge/{_name}/documents";
        Task<HttpResponseMessage> PutAsync(string word) =>
            SendAsync(HttpMethod.Put, path, $$"""{"source":"s","text":"{{TextOf(word)}}"}""", _name + word);
        var (id, _) = await RepeatAsync(() => PutAsync("apple"), "id");
        await _faults.ArmAsync("api", "K34:kill");

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => PutAsync("pear"));
        await _faults.ReachedAsync("K34");
        // Whichever it is, it is that one alone.
        Assert.Equal(1, Scalar(Kinds));
        var (again, _) = await RepeatAsync(() => PutAsync("pear"), "id");

        Assert.Equal(id, again);
        Assert.Equal(1, Scalar($"SELECT count(*) FROM knowledge_documents WHERE collection = '{_name}'"));
        Assert.Equal(1, Scalar(Kinds));
        Assert.Equal(0, Scalar($"SELECT count(*) FROM knowledge_chunks WHERE collection = '{_name}' AND text LIKE 'apple%'"));
        Assert.Equal(
            0,
            Scalar(
                $"SELECT d.chunks::bigint - (SELECT count(*) FROM knowledge_chunks c WHERE c.document_id = d.id AND c.version = d.version) FROM knowledge_documents d WHERE collection = '{_name}'"
            )
        );
    }

    public void Dispose() => _faults.Dispose();

    /// <summary>How many different texts and versions the passages are of.</summary>
    private string Kinds => $"SELECT count(DISTINCT (version, left(text, 4))) FROM knowledge_chunks WHERE collection = '{_name}'";

    /// <summary>Sends a request until it is answered.</summary>
    /// <returns>A member of the answer, and whether it was one that was kept.</returns>
    private async Task<(string? Value, bool IsReplayed)> RepeatAsync(Func<Task<HttpResponseMessage>> send, string member)
    {
        var answer = await Eventually.GetAsync(
            async _ =>
            {
                try
                {
                    using var response = await send();
                    if (!response.IsSuccessStatusCode)
                    {
                        // Until whoever began it has said nothing for 45 s: as if they had passed.
                        Assert.True(response.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.ServiceUnavailable);
                        await GiveUpAsync();
                        return default((string, bool)?);
                    }

                    var body = JsonElement.Parse(await response.Content.ReadAsStringAsync(TestRun.Cancel));
                    return (body.GetProperty(member).ToString(), response.Headers.Contains("Idempotent-Replayed"));
                }
                catch (HttpRequestException)
                {
                    return null;
                }
            },
            found => found is not null,
            "the Api is back",
            TimeSpan.FromSeconds(60)
        );
        return answer!.Value;
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string body, string? key)
    {
        using var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await _stack.Api.SendAsync(request, TestRun.Cancel);
    }

    private long Scalar(string sql)
    {
        using var source = NpgsqlDataSource.Create(_stack.Postgres + ";Pooling=false");
#pragma warning disable CA2100 // Constants and ids of the tests.
        using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        return (long)command.ExecuteScalar()!;
    }

    private async Task GiveUpAsync()
    {
        await using var source = NpgsqlDataSource.Create(_stack.Postgres + ";Pooling=false");
        await using var command = source.CreateCommand(
            "UPDATE kept_answers SET begun_at = begun_at - interval '1 minute' WHERE answered_at IS NULL"
        );
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
