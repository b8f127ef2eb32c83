using System.Net;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Prompts;
using AiBackend.ApiContracts.Texts;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Prompts;

/// <summary>Prompts, versions and labels as people manage them.</summary>
public sealed class PromptLabelTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string One = """{"messages":[{"role":"user","content":"one of these"}]}""";

    private readonly PromptApi _prompts = new(api);

    [Fact]
    public async Task A_rollback_is_one_call_and_the_next_one_goes_back_further()
    {
        var name = await _prompts.AddAsync(One);
        await _prompts.AddVersionAsync(name, One);
        await _prompts.AddVersionAsync(name, One);
        await _prompts.SetAsync(name, "production", """{"version":2,"canary":{"version":3,"percent":5}}""");
        await _prompts.SetAsync(name, "production", """{"version":3}""");

        var back = await RolledBackAsync(name);
        var further = await RolledBackAsync(name);
        using var nothing = await _prompts.RollBackAsync(name);

        Assert.Equal((2, 3, 5.0, 2), (back.Version, back.Canary!.Version!.Value, back.Canary.Percent!.Value, back.RolledBackTo!.Value));
        Assert.Equal((1, null, 1), (further.Version, further.Canary, further.RolledBackTo!.Value));
        Assert.Equal(HttpStatusCode.Conflict, nothing.StatusCode);
        Assert.Equal("nothing_to_roll_back", (await ApiServer.ReadProblemAsync(nothing)).Code);
        var history = await _prompts.GetAsync($"/{name}/labels/production/history", WireJson.Default.PromptLabelList);
        Assert.Equal([1, 2, 3, 2, 1], history.Data.Select(change => change.Version));
        Assert.Equal(1, (await _prompts.GetAsync("/" + name, WireJson.Default.Prompt)).Labels.Single().Version);
    }

    [Fact]
    public async Task Versions_and_labels_changed_by_many_at_once_have_one_order()
    {
        var name = await _prompts.AddAsync(One);

        var versions = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _prompts.AddVersionAsync(name, One)));
        var changes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => _prompts.SetAsync(name, "staging", """{"version":2}""")));

        Assert.Equal(Enumerable.Range(2, 8), versions.Select(version => version.Version).Order());
        Assert.Equal([1, 2, 3, 4], changes.Select(change => change.Seq).Order());
    }

    [Fact]
    public async Task A_version_that_is_sent_again_with_its_key_is_the_one_of_the_first_time_and_another_one_is_not_taken_for_it()
    {
        var name = await _prompts.AddAsync(One);
        var other = await _prompts.AddAsync(One);
        Task<HttpResponseMessage> AddAsync(string to, string content) =>
            _prompts.SendAsync(
                HttpMethod.Post,
                $"/{to}/versions",
                $$$"""{"template":{"messages":[{"role":"user","content":"{{{content}}}"}]}}""",
                "key-of-" + name
            );

        var first = await PromptApi.ReadAsync(await AddAsync(name, "two"), HttpStatusCode.Created, WireJson.Default.PromptVersion);
        var again = await PromptApi.ReadAsync(await AddAsync(name, "two"), HttpStatusCode.Created, WireJson.Default.PromptVersion);
        var elsewhere = await PromptApi.ReadAsync(await AddAsync(other, "two"), HttpStatusCode.Created, WireJson.Default.PromptVersion);
        using var changed = await AddAsync(name, "three");
        using var nowhere = await AddAsync("nothing-of-the-kind", "two");
        using var nowhereStill = await AddAsync("nothing-of-the-kind", "two");

        Assert.Equal((2, 2, first.CreatedAt), (first.Version, again.Version, again.CreatedAt));
        Assert.Equal((other, 2), (elsewhere.Name, elsewhere.Version));
        Assert.Equal("idempotency_key_reused", (await ApiServer.ReadProblemAsync(changed)).Code);
        // What was refused may be tried again.
        Assert.Equal("prompt_not_found", (await ApiServer.ReadProblemAsync(nowhere)).Code);
        Assert.Equal("prompt_not_found", (await ApiServer.ReadProblemAsync(nowhereStill)).Code);
        Assert.Equal(2, (await _prompts.GetAsync("/" + name, WireJson.Default.Prompt)).Latest);
    }

    [Fact]
    public async Task A_version_never_changes_and_who_made_it_is_in_the_audit_log()
    {
        var name = await _prompts.AddAsync(One);

        await using var rewrite = api.Db.Source.CreateCommand($"UPDATE prompt_versions SET template = '{{}}' WHERE name = '{name}'");
        await Assert.ThrowsAsync<PostgresException>(() => rewrite.ExecuteNonQueryAsync(TestRun.Cancel));

        Assert.Equal(
            "prompt,prompt_version,prompt_label",
            await _prompts.ScalarAsync($"SELECT string_agg(kind, ',' ORDER BY seq) FROM audit_log WHERE object LIKE '{name}%'")
        );
        Assert.DoesNotContain(
            "one of these",
            await _prompts.ScalarAsync($"SELECT string_agg(after::text, '') FROM audit_log WHERE object LIKE '{name}%'"),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task Two_versions_are_compared_line_by_line()
    {
        var name = await _prompts.AddAsync("""{"messages":[{"role":"user","content":"a\nb\nc"},{"role":"user","content":"same"}]}""");
        await _prompts.AddVersionAsync(
            name,
            """{"messages":[{"role":"user","content":"a\nx\nc\nd"},{"role":"user","content":"same"}],"model":"fast"}"""
        );

        var diff = await _prompts.GetAsync($"/{name}/diff?from=1&to=2", WireJson.Default.PromptDiff);

        Assert.Equal(["messages[0]", "settings"], diff.Parts.Select(part => part.Part));
        Assert.Equal([" user:", " a", "-b", "+x", " c", "+d"], diff.Parts[0].Lines);
        Assert.Contains(diff.Parts[1].Lines, line => line.StartsWith('+') && line.Contains("\"fast\"", StringComparison.Ordinal));
    }

    [Fact]
    public void Lines_that_went_and_came_make_one_text_of_the_other()
    {
        var random = new Random(7);
        for (var round = 0; round < 500; round++)
        {
            var (old, now) = (Some(), Some());

            var lines = LineComparison.Of(old, now, mostCells: 1_000);

            Assert.Equal(old, lines.Where(line => line[0] != '+').Select(line => line[1..]));
            Assert.Equal(now, lines.Where(line => line[0] != '-').Select(line => line[1..]));
        }

        string[] Some() => [.. Enumerable.Range(0, random.Next(12)).Select(_ => ((char)('a' + random.Next(4))).ToString())];
    }

    [Theory]
    [InlineData("""{"name":"x"}""", "template")]
    [InlineData("""{"name":"UPPER","template":{"messages":[{"role":"user","content":"a"}]}}""", "name")]
    [InlineData("""{"name":"x","template":{"messages":[]}}""", "template.messages")]
    [InlineData("""{"name":"x","template":{"messages":[{"role":"tool","content":"a"}]}}""", "template.messages[0].role")]
    [InlineData("""{"name":"x","template":{"messages":[{"role":"user","content":" "}]}}""", "template.messages[0].content")]
    [InlineData("""{"name":"x","template":{"messages":[{"role":"user","content":"{{system.secret}}"}]}}""", "template.messages[0].content")]
    [InlineData(
        """{"name":"x","template":{"messages":[{"role":"user","content":"a"}],"variables":{"a b":{}}}}""",
        "template.variables.\"a b\""
    )]
    [InlineData(
        """{"name":"x","template":{"messages":[{"role":"user","content":"a"}],"variables":{"a":{"type":"date"}}}}""",
        "template.variables.a.type"
    )]
    [InlineData(
        """{"name":"x","template":{"messages":[{"role":"user","content":"a"}],"variables":{"a":{"type":"enum"}}}}""",
        "template.variables.a.values"
    )]
    [InlineData(
        """{"name":"x","template":{"messages":[{"role":"user","content":"a"}],"variables":{"a":{"type":"number","default":"1"}}}}""",
        "template.variables.a.default"
    )]
    [InlineData(
        """{"name":"x","template":{"messages":[{"role":"user","content":"a"}],"parameters":{"temperature":3}}}""",
        "template.parameters.temperature"
    )]
    [InlineData(
        """{"name":"x","template":{"messages":[{"role":"user","content":"a"}],"contract":{"schema":{"type":"text"}}}}""",
        "template.contract.schema/type"
    )]
    public async Task A_prompt_that_cannot_be_is_refused_by_its_place(string body, string place)
    {
        using var response = await _prompts.SendAsync(HttpMethod.Post, "", body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(place, Assert.Single((await ApiServer.ReadProblemAsync(response)).Errors!.Keys));
    }

    [Theory]
    [InlineData("latest", """{"version":1}""", "label")]
    [InlineData("production", """{"version":2}""", "version")]
    [InlineData("production", """{"version":1,"canary":{"version":1,"percent":0}}""", "canary.percent")]
    [InlineData("production", """{"version":1,"canary":{"version":9,"percent":1}}""", "canary.version")]
    public async Task A_label_says_only_what_there_is(string label, string body, string place)
    {
        var name = await _prompts.AddAsync(One);

        using var response = await _prompts.SendAsync(HttpMethod.Put, $"/{name}/labels/{label}", body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(place, Assert.Single((await ApiServer.ReadProblemAsync(response)).Errors!.Keys));
    }

    [Fact]
    public async Task Reading_prompts_takes_one_scope_and_changing_them_another()
    {
        var reader = new PromptApi(
            api,
            api.Client(await api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:read", "jobs:write"))
        );

        using var list = await reader.SendAsync(HttpMethod.Get, "", null);
        using var add = await reader.SendAsync(HttpMethod.Post, "", $$"""{"name":"y","template":{{One}}}""");

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Forbidden), (list.StatusCode, add.StatusCode));
    }

    private async Task<PromptLabel> RolledBackAsync(string name) =>
        await PromptApi.ReadAsync(await _prompts.RollBackAsync(name), HttpStatusCode.OK, WireJson.Default.PromptLabel);
}
