using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi.Embeddings;

/// <summary>Embeddings: made while their caller waits.</summary>
public sealed class EmbeddingTests(EmbeddingApi api) : IClassFixture<EmbeddingApi>
{
    [Fact]
    public async Task Texts_become_vectors_in_their_order_as_numbers_or_as_base64()
    {
        var model = await api.ModelAsync();

        using var numbers = await api.EmbedAsync(EmbeddingApi.Body(model, """["one","two"]""", ",\"dimensions\":8"));
        using var packed = await api.EmbedAsync(EmbeddingApi.Body(model, "\"two\"", ",\"dimensions\":8,\"encoding_format\":\"base64\""));

        var answer = await ReadAsync(numbers);
        Assert.Equal(("list", model, "simulated"), (Text(answer, "object"), Text(answer, "model"), Text(answer, "system_fingerprint")));
        Assert.Equal([0, 1], answer.GetProperty("data").EnumerateArray().Select(each => each.GetProperty("index").GetInt32()));
        Assert.Equal((8, 8), (EmbeddingApi.VectorOf(answer).Length, EmbeddingApi.VectorOf(answer, 1).Length));
        Assert.NotEqual(EmbeddingApi.VectorOf(answer), EmbeddingApi.VectorOf(answer, 1));
        Assert.True(answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32() > 0);
        var bytes = (await ReadAsync(packed)).GetProperty("data")[0].GetProperty("embedding").GetBytesFromBase64();
        Assert.Equal(EmbeddingApi.VectorOf(answer, 1), MemoryMarshal.Cast<byte, float>(bytes).ToArray());
    }

    [Fact]
    public async Task I_7_a_call_is_in_the_ledger_at_its_price_under_the_name_that_the_provider_was_told()
    {
        var model = await api.ModelAsync();
        await api.SendAsync(HttpMethod.Put, $"/api/v1/prices/simulator/{model}", """{"input_per_million":1000,"output_per_million":0}""");

        // Every process knows a new price within two seconds.
        var (answer, row) = await Eventually.GetAsync(
            async _ =>
            {
                using var response = await api.EmbedAsync(EmbeddingApi.Body(model, more: ",\"user\":\"ada\""));
                return (await ReadAsync(response), (await api.SettledAsync(model))[^1]);
            },
            seen => seen.Item2.Cost is not null,
            "the price is known"
        );

        var tokens = answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt64();
        Assert.Equal((0, 2, tokens, tokens / 1000m, "ada"), (row.Epoch, row.State, row.Input, row.Cost, row.User));
        var call = (await api.Simulator.CallsAsync(model, TestRun.Cancel))[^1];
        Assert.Equal(($"{row.Id}-0-0", "completed"), (Text(call, "request_id"), Text(call, "outcome")));
        Assert.Equal("Hello", Text(call.GetProperty("messages")[0], "content"));
    }

    [Fact]
    public async Task The_same_key_gets_the_same_answer_and_asks_the_provider_once()
    {
        var model = await api.ModelAsync();

        using var first = await api.EmbedAsync(EmbeddingApi.Body(model), ("Idempotency-Key", "once"));
        using var again = await api.EmbedAsync(EmbeddingApi.Body(model), ("Idempotency-Key", "once"));
        using var other = await api.EmbedAsync(EmbeddingApi.Body(model, "\"Bye\""), ("Idempotency-Key", "once"));

        Assert.Equal(await first.Content.ReadAsStringAsync(TestRun.Cancel), await again.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Equal(["true"], again.Headers.GetValues("Idempotent-Replayed"));
        Assert.Equal("idempotency_key_reused", Text(await ReadErrorAsync(other, HttpStatusCode.UnprocessableEntity), "code"));
        Assert.Single(await api.Simulator.CallsAsync(model, TestRun.Cancel));
    }

    [Fact]
    public async Task A_repeat_while_the_first_is_answered_is_told_so_and_one_that_failed_may_be_repeated()
    {
        var model = await api.SilentModelAsync(new { hang = "before_headers" });
        var first = api.EmbedAsync(EmbeddingApi.Body(model), ("Idempotency-Key", "slow"));
        await Eventually.TrueAsync(async token => (await api.Simulator.CallsAsync(model, token)).Count > 0, "the first has been asked");

        using var again = await api.EmbedAsync(EmbeddingApi.Body(model), ("Idempotency-Key", "slow"));

        Assert.Equal("request_in_progress", Text(await ReadErrorAsync(again, HttpStatusCode.Conflict), "code"));
        await api.Simulator.BehaveAsync(model, new { });
        using var answered = await first;
        Assert.True(answered.IsSuccessStatusCode, "the first is tried again within its request");
        using var repeat = await api.EmbedAsync(EmbeddingApi.Body(model), ("Idempotency-Key", "slow"));
        Assert.Equal(["true"], repeat.Headers.GetValues("Idempotent-Replayed"));
    }

    [Theory]
    [InlineData("""{"model":"sim-embed"}""", "invalid_value", "input")]
    [InlineData("""{"input":"a"}""", "invalid_value", "model")]
    [InlineData("""{"model":"sim-embed","input":""}""", "invalid_value", "input")]
    [InlineData("""{"model":"sim-embed","input":[]}""", "invalid_value", "input")]
    [InlineData("""{"model":"sim-embed","input":["a",""]}""", "invalid_value", "input[1]")]
    [InlineData("""{"model":"sim-embed","input":[1,2]}""", "unsupported_parameter", "input")]
    [InlineData("""{"model":"sim-embed","input":[[1,2]]}""", "unsupported_parameter", "input")]
    [InlineData("""{"model":"sim-embed","input":"a","dimensions":0}""", "invalid_value", "dimensions")]
    [InlineData("""{"model":"sim-embed","input":"a","encoding_format":"int8"}""", "invalid_value", "encoding_format")]
    [InlineData("""{"model":"sim-embed","input":"a","task":"x"}""", "unknown_parameter", "task")]
    [InlineData("""{"model":"sim-embed","input":"a","base_url":"http://127.0.0.1"}""", "forbidden_member", "base_url")]
    [InlineData("""{"model":"sim-embed","input":"a","user":{"headers":{}}}""", "forbidden_member", "user.headers")]
    [InlineData("""{"model":"sim-embed","model":"b","input":"a"}""", "duplicate_member", "model")]
    public async Task A_37_what_is_wrong_with_a_body_is_said_by_name(string body, string code, string param)
    {
        using var response = await api.EmbedAsync(body);

        var error = await ReadErrorAsync(response, HttpStatusCode.BadRequest);
        Assert.Equal((code, param), (Text(error, "code"), Text(error, "param")));
    }

    [Fact]
    public async Task More_texts_than_are_taken_at_once_are_refused()
    {
        var texts = JsonSerializer.Serialize(Enumerable.Repeat("a", 2049));

        using var response = await api.EmbedAsync(EmbeddingApi.Body("sim-embed", texts));

        Assert.Contains(
            "has 2049 texts",
            Text(await ReadErrorAsync(response, HttpStatusCode.BadRequest), "message"),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task A_model_that_makes_none_is_refused_with_the_names_of_those_that_do()
    {
        using var chat = await api.EmbedAsync(EmbeddingApi.Body("sim"));
        using var nobody = await api.EmbedAsync(EmbeddingApi.Body("gpt-none"));
        await api.SendAsync(HttpMethod.Put, "/api/v1/deployments/simulator/sim-vectors", """{"capabilities":["embeddings"]}""");
        using var able = await api.EmbedAsync(EmbeddingApi.Body("sim-vectors"));

        Assert.Contains("sim-embed", Text(await ReadErrorAsync(chat, HttpStatusCode.BadRequest), "message"), StringComparison.Ordinal);
        Assert.Equal("model_not_found", Text(await ReadErrorAsync(nobody, HttpStatusCode.NotFound), "code"));
        Assert.Equal("sim-vectors", Text(await ReadAsync(able), "model"));
    }

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();
}
