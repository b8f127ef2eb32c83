using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Routing;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Contracts;

/// <summary>Contracts at providers that can be given a schema, and at such that cannot: what they are really sent, and that it is never taken for kept.</summary>
public sealed class NativeFormTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Invoice = """{"type":"object","properties":{"total":{"type":"number"}},"required":["total"]}""";
    private const string Right = """{"total":3}""";
    private const string Wrong = """{"sum":3}""";

    /// <summary>Protocol, what the deployment declares, and what it answers.</summary>
    public static TheoryData<string, string, string> Cases =>
        new(
            from kind in (string[])[Wire.OpenAi, Wire.Anthropic]
            from capability in (string[])["json", "tools"]
            from answer in (string[])[Right, Wrong]
            select (kind, capability, answer)
        );

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task The_schema_goes_to_who_declares_that_it_takes_one_as_its_protocol_has_it_and_to_others_in_words(
        string kind,
        string capability,
        string answer
    )
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(kind, answer)));

        var job = await RunAsync(database, provider, kind, capability, Draft(Contract.OfSchema(Invoice, "fail")));

        var sent = Assert.Single(provider.Requests).Json;
        Assert.Equal(capability is "json" ? Invoice : null, SchemaOf(kind, sent));
        Assert.Equal(capability is not "json", InstructionsOf(kind, sent).Contains(Invoice, StringComparison.Ordinal));
        // Who was given the schema is believed no more than anybody else.
        Assert.Equal(
            answer == Right ? (JobStatuses.Completed, null) : (JobStatuses.Failed, "contract_violation"),
            (job.Status, job.Error?.Code)
        );
        Assert.Equal(answer == Right ? Verdicts.Valid : Verdicts.Schema, job.Contract!.Verdict);
        Assert.Equal(answer == Right ? Right : null, job.Output?.Text);
    }

    [Theory]
    [InlineData("""{"schema":{"type":"object","required":["total"]}}""", "\"response_format\":{\"type\":\"json_object\"},")]
    [InlineData("""{"rules":[{"rule":"range","path":"/total","min":1}]}""", "")]
    public async Task What_no_schema_on_the_wire_says_is_said_in_words_also_to_who_answers_in_json(string contract, string format)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(Wire.OpenAi, Right)));
        var draft = Draft(Contract.Of(contract)) with { Input = $$"""{ {{format}} "messages":[{"role":"user","content":"Hello"}]}""" };

        var job = await RunAsync(database, provider, Wire.OpenAi, "json", draft);

        Assert.Equal(JobStatuses.Completed, job.Status);
        var sent = Assert.Single(provider.Requests).Json;
        Assert.Equal("""{"type":"json_object"}""", sent.GetProperty("response_format").GetRawText());
        // OpenAI refuses this form where no message says JSON, and it would give anything that is JSON.
        var told = InstructionsOf(Wire.OpenAi, sent);
        Assert.Contains("one JSON value", told, StringComparison.Ordinal);
        Assert.Equal(format.Length > 0, told.Contains("\"required\":[\"total\"]", StringComparison.Ordinal));
    }

    private async Task<Job> RunAsync(TestDatabase database, RawProvider provider, string kind, string capability, JobDraft draft)
    {
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(provider.Address, "m")],
            [("AIBACKEND_PROVIDERS:0:KIND", kind)]
        );
        await worker
            .Get<RoutingStore>()
            .AddAsync(RoutingKind.Deployment, "p0/m", $$"""{"capabilities":["{{capability}}"]}""", null, "k", TestRun.Cancel);
        await worker.Get<CatalogRefresh>().RefreshAsync(TestRun.Cancel);
        return await worker.RunJobAsync(draft);
    }

    private static string? SchemaOf(string kind, JsonElement request)
    {
        if (!request.TryGetProperty(kind is Wire.OpenAi ? "response_format" : "output_config", out var form))
        {
            return null;
        }

        form = kind is Wire.OpenAi ? form : form.GetProperty("format");
        Assert.Equal("json_schema", form.GetProperty("type").GetString());
        return (kind is Wire.OpenAi ? form.GetProperty("json_schema") : form).GetProperty("schema").GetRawText();
    }

    private static string InstructionsOf(string kind, JsonElement request) =>
        kind is Wire.OpenAi ? request.GetProperty("messages")[0].GetProperty("content").GetString()!
        : request.TryGetProperty("system", out var system) ? system.GetString()!
        : "";

    private static JobDraft Draft(OutputContract contract) =>
        CoreHost.Draft() with
        {
            Terms = new JobTerms { Contract = contract }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };
}
