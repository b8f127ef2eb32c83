using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Api.Auth.Limits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Limits;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Tenancy;

/// <summary>How much a key may ask for that nobody has set a limit for.</summary>
public sealed class KeyDefaultLimitTests(PostgresServer postgres)
{
    private static readonly byte[] Chat = Encoding.UTF8.GetBytes(ApiServer.Chat);

    [Theory]
    [InlineData("Production", 6_000L, 5_000L, 1_000)]
    [InlineData("Development", 0L, 0L, 10_000)]
    public void A_44_a_new_key_has_limits_outside_Development(string environment, long requests, long queued, int streams)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = environment });
        builder.AddKeyLimitOptions();
        using var host = builder.Build();

        var options = host.Services.GetRequiredService<IOptions<KeyLimitOptions>>().Value;

        Assert.Equal((requests, queued, streams), (options.KeyRequestsPerMinute, options.KeyMaxQueued, options.OpenStreamsPerKey));
    }

    [Theory]
    [InlineData("max_queued", "KeyMaxQueued")]
    [InlineData("requests_per_minute", "KeyRequestsPerMinute")]
    public async Task A_44_a_key_without_a_number_has_the_installation_s_and_one_with_its_own_has_that(string limit, string setting)
    {
        const int Most = 3;
        await using var api = new Installation(postgres, (setting, Most));
        await api.InitializeAsync();
        using var plain = await KeyAsync(api, "{}");
        using var generous = await KeyAsync(api, $$"""{"{{limit}}":1000}""");

        // The minute may turn once meanwhile, and what waits is counted behind the first that may be too many.
        var asked = 0;
        HttpResponseMessage over;
        do
        {
            over = await ApiServer.PostAsync(plain, Chat);
        } while (over.StatusCode == HttpStatusCode.Accepted && ++asked <= 2 * Most);

        Assert.InRange(asked, 1, 2 * Most);
        Assert.Contains($"{limit}, which is {Most}", (await ApiServer.ReadProblemAsync(over)).Detail, StringComparison.Ordinal);
        for (var i = 0; i < 3 * Most; i++)
        {
            using var fine = await ApiServer.PostAsync(generous, Chat);
            Assert.Equal(HttpStatusCode.Accepted, fine.StatusCode);
        }
    }

    [Fact]
    public async Task Lines_of_a_batch_were_one_request_and_are_held_to_what_the_key_was_given_alone()
    {
        await using var api = new Installation(postgres, ("KeyMaxQueued", 1), ("KeyRequestsPerMinute", 1));
        await api.InitializeAsync();
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new StringContent(string.Join('\n', Enumerable.Range(0, 4).Select(Line))), "file", "lines.jsonl" },
        };
        var file = JsonElement.Parse(await ReadAsync(await api.Http.PostAsync("/v1/files", form, TestRun.Cancel))).GetProperty("id");

        using var batch = await api.Http.PostAsJsonAsync(
            "/v1/batches",
            new
            {
                input_file_id = file.GetString(),
                endpoint = "/v1/chat/completions",
                completion_window = "24h",
            },
            TestRun.Cancel
        );

        Assert.Equal(HttpStatusCode.OK, batch.StatusCode);
        await Eventually.TrueAsync(
            _ => PlantedTenant.ScalarAsync<bool>(api, "SELECT count(*) = 4 FROM batch_lines WHERE state = 1"),
            "all lines are jobs"
        );
        // Nor do they take the places of what its key asks for at once; of a number of its own they do.
        await using var read = api.Db.Source.CreateCommand("SELECT key_id FROM batches");
        var key = (string)(await read.ExecuteScalarAsync(TestRun.Cancel))!;
        var caller = new Caller(ApiKeyStore.DefaultTenant, key, [], "standard", null);
        using var allowances = new KeyAllowances(api.Db.Source, api.Db.Source, TimeProvider.System);
        var entered = 0;
        await Eventually.TrueAsync(
            async _ => (await allowances.TakeAsync(caller, 1, new(1, IsOwn: false))).Exceeded is null && ++entered == 3,
            "there is room again each time that was counted"
        );
        Assert.Equal("max_queued", (await allowances.TakeAsync(caller, 1, new(1, IsOwn: true))).Exceeded);

        static string Line(int i) =>
            $$$"""{"custom_id":"{{{i}}}","method":"POST","url":"/v1/chat/completions","body":{"model":"sim","messages":[{"role":"user","content":"Hi"}]}}""";
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_44_five_thousand_jobs_a_thousand_streams_and_a_hundred_requests_a_second_of_one_key_harm_nobody()
    {
        const int Queued = 5_000;
        const int Streams = 1_000;
        const int Requests = 6_000;
        await using var api = new Installation(
            postgres,
            ("KeyMaxQueued", Queued),
            ("OpenStreamsPerKey", Streams),
            ("KeyRequestsPerMinute", Requests)
        );
        await api.InitializeAsync();
        using var stranger = api.Client(await api.AddTenantAsync());
        using var greedy = await KeyAsync(api, "{}");
        using var quick = await KeyAsync(api, """{"max_queued":1000000}""");

        // What waits is counted behind the first that may be too many.
        Assert.Contains($"max_queued, which is {Queued}", await UntilRefusedAsync(greedy, Queued * 11 / 10), StringComparison.Ordinal);
        await FineAsync();
        // The minute may turn once meanwhile.
        Assert.Contains(
            $"requests_per_minute, which is {Requests}",
            await UntilRefusedAsync(quick, 2 * Requests),
            StringComparison.Ordinal
        );
        await FineAsync();

        var job = (await api.SubmitAsync()).Id;
        var open = new List<HttpResponseMessage>();
        for (var i = 0; i < Streams; i++)
        {
            open.Add(await StreamAsync(api.Http, job));
        }

        using var over = await StreamAsync(api.Http, job);
        Assert.All(open, stream => Assert.Equal(HttpStatusCode.OK, stream.StatusCode));
        Assert.Contains($"open_streams, which is {Streams}", (await ApiServer.ReadProblemAsync(over)).Detail, StringComparison.Ordinal);
        await FineAsync();
        open.ForEach(stream => stream.Dispose());

        // I-15: what one asks for is nothing to another.
        async Task FineAsync()
        {
            using var accepted = await ApiServer.PostAsync(stranger, Chat);
            Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
            var made = JsonElement.Parse(await accepted.Content.ReadAsStringAsync(TestRun.Cancel)).GetProperty("id").GetGuid();
            using var stream = await StreamAsync(stranger, made);
            Assert.Equal(HttpStatusCode.OK, stream.StatusCode);
        }
    }

    /// <returns>What the key is told at last.</returns>
    private static async Task<string> UntilRefusedAsync(HttpClient client, int most)
    {
        var (accepted, told) = (0, "");
        await Task.WhenAll(
            Enumerable
                .Range(0, 16)
                .Select(async _ =>
                {
                    while (true)
                    {
                        using var response = await ApiServer.PostAsync(client, Chat);
                        if (response.StatusCode != HttpStatusCode.Accepted)
                        {
                            told = (await ApiServer.ReadProblemAsync(response)).Detail;
                            return;
                        }

                        Assert.InRange(Interlocked.Increment(ref accepted), 1, most);
                    }
                })
        );
        return told;
    }

    private static Task<HttpResponseMessage> StreamAsync(HttpClient client, Guid job) =>
        client.GetAsync($"/api/v1/jobs/{job}/events", HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);

    private static async Task<HttpClient> KeyAsync(ApiServer api, string limits)
    {
        var (_, made) = await KeyApiTests.SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/keys",
            $$"""{"name":"k","scopes":["jobs:write","jobs:read"],"limits":{{limits}}}"""
        );
        return api.Client(made.GetProperty("value").GetString());
    }

    private static async Task<string> ReadAsync(HttpResponseMessage response)
    {
        using (response)
        {
            return await response.Content.ReadAsStringAsync(TestRun.Cancel);
        }
    }

    private sealed class Installation(PostgresServer postgres, params (string Name, int Value)[] limits) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings =>
            limits.Select(limit => ($"Limits:{limit.Name}", $"{limit.Value}"));
    }
}
