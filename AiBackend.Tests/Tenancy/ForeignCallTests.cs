using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi;

namespace AiBackend.Tests.Tenancy;

/// <summary>Every address under /v1 that names something of a tenant's, tried with another tenant's key, and every member of a body that does.</summary>
public sealed partial class ForeignCallTests(PatientApi api) : IClassFixture<PatientApi>
{
    private const int Samples = 200;
    private const int SamplesForLong = 400;

    private static readonly HashSet<string> OfOneAnswer = new(StringComparer.OrdinalIgnoreCase)
    {
        "Date",
        "Content-Length",
        "x-request-id",
        "openai-processing-ms",
        "traceparent",
    };

    private const string Shared = "/v1/models/{**model}";

    [Fact]
    public async Task A_1_what_belongs_to_another_tenant_is_answered_under_v1_like_what_does_not_exist_for_every_verb_and_address()
    {
        var objects = await MakeAsync();
        using var stranger = api.Client(await api.AddTenantAsync());
        // OpenAI describes these addresses and not our document: they are asked of the server itself.
        var calls = api.Calls()
            .Where(call =>
                call.Pattern.StartsWith("/v1/", StringComparison.Ordinal) && call.Pattern.Contains('{', StringComparison.Ordinal)
            )
            .Where(call => call.Pattern != Shared)
            .ToList();

        Assert.True(calls.Count >= 9, $"There are {calls.Count}.");
        foreach (var (verb, path, _) in calls)
        {
            var known = objects.FirstOrDefault(each => path.StartsWith(each.Key, StringComparison.Ordinal)).Value;
            Assert.True(known is not null, $"{path} is new: say in this test what of a tenant's it names.");
            var foreign = await AskAsync(stranger, verb, path.Replace("{id}", known, StringComparison.Ordinal));
            var none = await AskAsync(stranger, verb, path.Replace("{id}", Unknown(known), StringComparison.Ordinal));

            Assert.True(foreign.Status == HttpStatusCode.NotFound, $"{verb} {path} answered {foreign.Status}: {foreign.Body}");
            OpenAiClientOf.ErrorOf(foreign.Body);
            Assert.Equal((none.Status, none.Body.Replace(Unknown(known), known, StringComparison.Ordinal)), (foreign.Status, foreign.Body));
            Assert.Equal(none.Headers, foreign.Headers);
        }

        foreach (var (path, id) in objects)
        {
            var own = await AskAsync(api.Http, "GET", path + id);
            Assert.True(own.Status == HttpStatusCode.OK, $"{path}{id} is as it was: {own.Body}");
        }

        await Eventually.TrueAsync(
            async token =>
            {
                var audit = await api.Http.GetStringAsync("/api/v1/audit?action=cross_tenant_attempt&limit=100", token);
                return objects.Values.All(id => audit.Contains(GuidOf(id), StringComparison.Ordinal));
            },
            "operators can read who tried"
        );
    }

    [Theory]
    [InlineData("/v1/responses/", "/v1/responses", """{"model":"sim","background":true,"input":"x","previous_response_id":"ID"}""")]
    [InlineData(
        "/v1/files/",
        "/v1/responses",
        """{"model":"sim","background":true,"input":[{"role":"user","content":[{"type":"input_file","file_id":"ID"}]}]}"""
    )]
    [InlineData(
        "/v1/files/",
        "/v1/chat/completions",
        """{"model":"sim","stream":true,"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"ID"}}]}]}"""
    )]
    [InlineData("/v1/files/", "/v1/batches", """{"input_file_id":"ID","endpoint":"/v1/chat/completions","completion_window":"24h"}""")]
    [InlineData("conversation", "/v1/responses", """{"model":"sim","background":true,"input":"x","conversation":"ID"}""")]
    public async Task A_1_a_body_that_names_what_is_another_tenants_is_refused_as_if_there_were_no_such_thing(
        string kind,
        string path,
        string body
    )
    {
        var id = kind == "conversation" ? await ConversationAsync() : (await MakeAsync())[kind];
        using var stranger = api.Client(await api.AddTenantAsync());

        var foreign = await AskAsync(stranger, "POST", path, body.Replace("ID", id, StringComparison.Ordinal));
        var none = await AskAsync(stranger, "POST", path, body.Replace("ID", Unknown(id), StringComparison.Ordinal));

        Assert.True((int)foreign.Status is 400 or 404 or 422, $"{foreign.Status}: {foreign.Body}");
        // A file is named by its whole id, in whatever form it was asked for.
        var expected = none
            .Body.Replace(Unknown(id), id, StringComparison.Ordinal)
            .Replace(GuidOf(Unknown(id)), GuidOf(id), StringComparison.Ordinal);
        Assert.Equal((none.Status, expected), (foreign.Status, foreign.Body));
        Assert.Equal(none.Headers, foreign.Headers);
    }

    [Theory]
    [InlineData("/v1/responses/")]
    [InlineData("/api/v1/jobs/")]
    public Task A_1_nor_does_the_time_of_an_answer_tell_whether_there_is_such_a_thing(string path) => CompareAsync(path, Samples);

    [Theory]
    [InlineData("/v1/responses/")]
    [InlineData("/v1/files/")]
    [InlineData("/v1/batches/")]
    [InlineData("/api/v1/jobs/")]
    [Trait("Category", "Long")]
    public Task A_1_nor_does_the_time_of_an_answer_tell_whether_there_is_such_a_thing_for_long(string path) =>
        CompareAsync(path, SamplesForLong);

    private async Task CompareAsync(string path, int samples)
    {
        var id = path == "/api/v1/jobs/" ? (await api.SubmitAsync()).Id.ToString() : (await MakeAsync())[path];
        using var stranger = api.Client(await api.AddTenantAsync());
        for (var warm = 0; warm < 20; warm++)
        {
            await TimedAsync(stranger, path + id);
            await TimedAsync(stranger, path + Unknown(id));
        }

        var slower = 0;
        for (var i = 0; i < samples; i++)
        {
            // Each is first as often as the other, and what else the machine does meets both.
            var (foreign, none) = (TimeSpan.Zero, TimeSpan.Zero);
            if (i % 2 == 0)
            {
                foreign = await TimedAsync(stranger, path + id);
                none = await TimedAsync(stranger, path + Unknown(id));
            }
            else
            {
                none = await TimedAsync(stranger, path + Unknown(id));
                foreign = await TimedAsync(stranger, path + id);
            }

            slower += foreign > none ? 1 : 0;
        }

        // Of fair coins 200 are never so far from their half: it would be ten times their deviation.
        var fewest = samples * 15 / 100;
        Assert.InRange(slower, fewest, samples - fewest);
    }

    private static async Task<TimeSpan> TimedAsync(HttpClient client, string path)
    {
        var began = Stopwatch.GetTimestamp();
        using var response = await client.GetAsync(path, TestRun.Cancel);
        var took = Stopwatch.GetElapsedTime(began);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        return took;
    }

    /// <summary>One of each kind, of the tenant of <see cref="ApiServer.Key"/>, by the beginning of its address.</summary>
    private async Task<Dictionary<string, string>> MakeAsync()
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new StringContent("""{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}"""), "file", "a.jsonl" },
        };
        using var uploaded = await api.Http.PostAsync("/v1/files", form, TestRun.Cancel);
        var file = IdOf(await OpenAiClientOf.ReadAsync(uploaded));
        return new(StringComparer.Ordinal)
        {
            ["/v1/files/"] = file,
            ["/v1/batches/"] = await PostAsync(
                "/v1/batches",
                $$"""{"input_file_id":"{{file}}","endpoint":"/v1/chat/completions","completion_window":"24h"}"""
            ),
            ["/v1/responses/"] = await PostAsync("/v1/responses", """{"model":"sim","background":true,"input":"Hello"}"""),
        };
    }

    private Task<string> ConversationAsync() => PostAsync("/api/v1/conversations", "{}");

    private async Task<string> PostAsync(string path, string body)
    {
        using var made = await api.Http.CallAsync(path, Encoding.UTF8.GetBytes(body), TestRun.Cancel);
        return IdOf(await OpenAiClientOf.ReadAsync(made));
    }

    private static string IdOf(JsonElement made) => made.GetProperty("id").GetString()!;

    /// <summary>Something of the same shape that nobody has.</summary>
    private static string Unknown(string id) =>
        Guid.TryParse(id, out _)
            ? "01900000-0000-7000-8000-0000000000ff"
            : id[..(id.IndexOfAny(['-', '_']) + 1)] + "019000000000700080000000000000ff";

    private static string GuidOf(string id) =>
        Guid.TryParse(id, out _) ? id : Guid.ParseExact(id[(id.IndexOfAny(['-', '_']) + 1)..], "N").ToString();

    private static async Task<(HttpStatusCode Status, string Body, string Headers)> AskAsync(
        HttpClient client,
        string method,
        string path,
        string? body = null
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null)
        {
            request.Content = new StringContent(body, new MediaTypeHeaderValue("application/json"));
        }

        using var response = await client.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        var headers = response.Headers.Concat(response.Content.Headers).Where(header => !OfOneAnswer.Contains(header.Key));
        return (
            response.StatusCode,
            TraceId().Replace(text, ""),
            string.Join('\n', headers.Select(header => $"{header.Key}: {string.Join(", ", header.Value)}").Order(StringComparer.Ordinal))
        );
    }

    [GeneratedRegex("\"trace_id\":\"[0-9a-f]{32}\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex TraceId();
}
