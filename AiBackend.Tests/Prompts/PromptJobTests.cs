using System.Net;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Prompts;
using AiBackend.Tests.Api;

namespace AiBackend.Tests.Prompts;

/// <summary>Jobs whose messages are made of a stored prompt.</summary>
public sealed class PromptJobTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Greeting =
        """{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Greet {{ who }} of {{city}}, {{city}}."}],"variables":{"who":{},"city":{"default":"Rome"}},"parameters":{"temperature":0.5,"max_output_tokens":10}}""";

    private readonly PromptApi _prompts = new(api);

    [Fact]
    public async Task A_job_is_made_of_the_version_its_label_says_and_its_own_messages_come_after_it()
    {
        var name = await _prompts.AddAsync(Greeting);

        var job = await api.SubmitAsync(
            $$$$"""{"type":"chat","input":{"prompt":{"name":"{{{{name}}}}","variables":{"who":"Ann"}},"messages":[{"role":"user","content":"Now."}],"temperature":1}}"""
        );

        var input = await _prompts.InputOfAsync(job.Id);
        Assert.Equal(["Be brief.", "Greet Ann of Rome, Rome.", "Now."], input.Messages!.Select(message => message.Content));
        Assert.Equal((null, 1.0, 10), (input.Prompt, input.Temperature, input.MaxOutputTokens));
        Assert.Equal(name + "@1", (await TermsAsync(job.Id)).Prompt);
        // A worker of the version before would not know that the version is to be shown.
        Assert.Equal(
            JobSchema.Terms.ToString(System.Globalization.CultureInfo.InvariantCulture),
            await _prompts.ScalarAsync($"SELECT schema_version::text FROM job_payloads WHERE job_id = '{job.Id}'")
        );
    }

    [Theory]
    [InlineData("{{system.secret}}")]
    [InlineData("{{city}} {{ who }}")]
    [InlineData("${env:PATH} {0} %s $1 \\1")]
    [InlineData("{{{{city}}}}")]
    [InlineData("}}{{city")]
    public async Task A_59_what_goes_into_a_prompt_is_text_and_never_looked_at_again(string hostile)
    {
        var name = await _prompts.AddAsync(Greeting);

        var job = await api.SubmitAsync(
            PromptApi.Job(
                $$"""{"name":"{{name}}","variables":{"who":{{JsonSerializer.Serialize(hostile)}},"city":{{JsonSerializer.Serialize(hostile)}} } }"""
            )
        );

        var text = (await _prompts.InputOfAsync(job.Id)).Messages![1].Content;
        Assert.Equal($"Greet {hostile} of {hostile}, {hostile}.", text);
    }

    [Fact]
    public async Task Missing_unknown_and_wrong_variables_are_named_together_and_nothing_is_stored()
    {
        var name = await _prompts.AddAsync(
            """{"messages":[{"role":"user","content":"{{a}}{{b}}{{c}}{{d}}{{e}}"}],"variables":{"a":{},"b":{"type":"number"},"c":{"type":"enum","values":["x","y"]},"d":{"max_length":3},"e":{"type":"list"}}}"""
        );
        var before = await _prompts.ScalarAsync("SELECT count(*)::text FROM jobs");

        using var response = await api.PostAsync(
            PromptApi.Job($$$"""{"name":"{{{name}}}","variables":{"b":"1","c":"z","d":"four","e":[[]],"f":1}}""")
        );

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(
            ["a", "b", "c", "d", "e", "f"],
            problem
                .Errors!.Keys.Select(place => place.Replace("input.prompt.variables.", "", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
        );
        Assert.Equal(before, await _prompts.ScalarAsync("SELECT count(*)::text FROM jobs"));
    }

    [Fact]
    public async Task Each_type_of_variable_is_text_in_the_message()
    {
        var name = await _prompts.AddAsync(
            """{"messages":[{"role":"user","content":"{{n}}|{{b}}|{{e}}|{{l}}|{{none}}"}],"variables":{"n":{"type":"number"},"b":{"type":"boolean"},"e":{"type":"enum","values":["x"]},"l":{"type":"list"},"none":{"required":false}}}"""
        );

        var job = await api.SubmitAsync(
            PromptApi.Job($$$"""{"name":"{{{name}}}","variables":{"n":1.50,"b":false,"e":"x","l":["one",2]}}""")
        );

        Assert.Equal("1.50|false|x|one\n2|", (await _prompts.InputOfAsync(job.Id)).Messages![0].Content);
    }

    [Fact]
    public async Task A_repeat_is_answered_as_then_although_the_label_moved()
    {
        var name = await _prompts.AddAsync(Greeting);
        var body = PromptApi.Job($$$"""{"name":"{{{name}}}","variables":{"who":"Ann","city":"Oslo"}}""");
        var key = ("Idempotency-Key", "prompt-" + name);
        var first = await api.SubmitAsync(body, key);

        await _prompts.AddVersionAsync(name, """{"messages":[{"role":"user","content":"Other."}]}""");
        await _prompts.SetAsync(name, "production", """{"version":2}""");
        // Another order of the variables is the same request.
        var again = await api.SubmitAsync(PromptApi.Job($$$"""{"name":"{{{name}}}","variables":{"city":"Oslo","who":"Ann"}}"""), key);
        using var fresh = await api.PostAsync(body);

        Assert.Equal(first.Id, again.Id);
        // What no longer fits is refused as new, and only as new.
        Assert.Equal(HttpStatusCode.BadRequest, fresh.StatusCode);
    }

    [Fact]
    public async Task Of_contracts_the_jobs_holds_before_the_prompts()
    {
        var name = await _prompts.AddAsync("""{"messages":[{"role":"user","content":"Hi"}],"contract":{"schema":{"type":"array"}}}""");

        var plain = await api.SubmitAsync(PromptApi.Job($$"""{"name":"{{name}}"}"""));
        var own = await api.SubmitAsync(PromptApi.Job($$"""{"name":"{{name}}"}""", ""","contract":{"schema":{"type":"object"}}"""));

        Assert.Equal("array", (await TermsAsync(plain.Id)).Contract!.Schema!.Value.GetProperty("type").GetString());
        Assert.Equal("object", (await TermsAsync(own.Id)).Contract!.Schema!.Value.GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_canary_gets_its_share_and_the_same_user_always_the_same_version()
    {
        var name = await _prompts.AddAsync("""{"messages":[{"role":"user","content":"one"}]}""");
        await _prompts.AddVersionAsync(name, """{"messages":[{"role":"user","content":"two"}]}""");
        await _prompts.SetAsync(name, "production", """{"version":1,"canary":{"version":2,"percent":40}}""");

        foreach (var user in Enumerable.Range(0, 12).Select(i => $"user-{i}"))
        {
            var job = await api.SubmitAsync(PromptApi.Job($$"""{"name":"{{name}}"}""", $$""","user":"{{user}}" """));
            var expected = PromptNames.Pin(name, PromptReads.IsCanary(name, "production", user, 40) ? 2 : 1);
            Assert.Equal(expected, (await TermsAsync(job.Id)).Prompt);
        }

        var share = Enumerable.Range(0, 20_000).Count(i => PromptReads.IsCanary(name, "production", $"u{i}", 40)) / 20_000.0;
        Assert.InRange(share, 0.38, 0.42);
        // More of them keep those who had it.
        Assert.All(
            Enumerable.Range(0, 1_000).Where(i => PromptReads.IsCanary(name, "production", $"u{i}", 10)),
            i => Assert.True(PromptReads.IsCanary(name, "production", $"u{i}", 40))
        );
    }

    [Theory]
    [InlineData("""{"name":"nobody"}""", "input.prompt.name")]
    [InlineData("""{}""", "input.prompt.name")]
    [InlineData("""{"name":"NAME","version":7}""", "input.prompt.version")]
    [InlineData("""{"name":"NAME","label":"staging"}""", "input.prompt.label")]
    [InlineData("""{"name":"NAME","label":"staging","version":1}""", "input.prompt.label")]
    [InlineData("""{"name":"../x"}""", "input.prompt.name")]
    public async Task A_reference_to_nothing_is_refused_by_its_place(string reference, string place)
    {
        var name = await _prompts.AddAsync("""{"messages":[{"role":"user","content":"Hi"}]}""");

        using var response = await api.PostAsync(PromptApi.Job(reference.Replace("NAME", name, StringComparison.Ordinal)));

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(place, Assert.Single((await ApiServer.ReadProblemAsync(response)).Errors!.Keys));
    }

    [Fact]
    public async Task A_1_another_tenants_prompt_is_no_prompt()
    {
        var name = await _prompts.AddAsync("""{"messages":[{"role":"user","content":"Hi"}]}""");
        var stranger = api.Client(await api.AddTenantAsync());

        using var job = await ApiServer.PostAsync(stranger, System.Text.Encoding.UTF8.GetBytes(PromptApi.Job($$"""{"name":"{{name}}"}""")));
        using var read = await new PromptApi(api, stranger).SendAsync(HttpMethod.Get, "/" + name, null);

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.NotFound), (job.StatusCode, read.StatusCode));
    }

    private async Task<JobTerms> TermsAsync(Guid jobId) =>
        JobTerms.Read(await _prompts.ScalarAsync($"SELECT terms FROM job_payloads WHERE job_id = '{jobId}'"));
}
