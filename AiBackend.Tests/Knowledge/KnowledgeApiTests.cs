using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Knowledge;

/// <summary>Texts that answers may rest on, over the API.</summary>
public sealed class KnowledgeApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Lamps =
        """{"source":"lamps.md","title":"Lamp manual","text":"The blue lamp blinks when its filter is full. Replace the filter.\n\nThe red lamp means stop."}""";

    [Fact]
    public async Task What_is_put_is_found_by_any_of_its_words_and_titles_weigh_more()
    {
        var collection = Name();
        Assert.Equal(HttpStatusCode.Created, (await PutAsync(api.Http, collection, Lamps)).Status);
        await PutAsync(api.Http, collection, """{"source":"b","title":"Other","text":"A lamp is mentioned here, too."}""");

        var found = await SearchAsync(api.Http, collection, """{"query":"Why does my lamp keep blinking?"}""");

        Assert.Equal(["lamps.md", "b"], found.Select(passage => passage.Source));
        Assert.Contains("Replace the filter", found[0].Text, StringComparison.Ordinal);
        Assert.Empty(await SearchAsync(api.Http, collection, """{"query":"elephants & ( | !:* the"}"""));
        Assert.Empty(await SearchAsync(api.Http, Name(), """{"query":"lamp"}"""));
        using var response = await api.Http.PostAsync(Address(collection, "search"), Json("""{"query":"lamp"}"""), TestRun.Cancel);
        Assert.Contains(
            "\"matching\":{\"mode\":\"text\",\"reason\":\"no_model\"",
            await response.Content.ReadAsStringAsync(TestRun.Cancel),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task A_source_has_one_text_and_an_older_one_changes_nothing()
    {
        var collection = Name();
        await PutAsync(api.Http, collection, """{"source":"a","text":"old apples","updated_at":"2026-01-02T00:00:00Z"}""");

        var (replaced, second) = await PutAsync(
            api.Http,
            collection,
            """{"source":"a","text":"new pears","updated_at":"2026-01-03T00:00:00Z"}"""
        );
        var (stale, third) = await PutAsync(
            api.Http,
            collection,
            """{"source":"a","text":"late plums","updated_at":"2026-01-01T00:00:00Z"}"""
        );

        Assert.Equal((HttpStatusCode.OK, 2), (replaced, second!.Version));
        Assert.Equal((HttpStatusCode.OK, 2), (stale, third!.Version));
        Assert.Empty(await SearchAsync(api.Http, collection, """{"query":"apples plums"}"""));
        Assert.Single(await SearchAsync(api.Http, collection, """{"query":"pears"}"""));
    }

    [Fact]
    public async Task A_5_A_62_nobody_finds_what_another_tenant_or_other_readers_have()
    {
        var collection = Name();
        await PutAsync(api.Http, collection, Lamps);
        await PutAsync(api.Http, collection, """{"source":"pay","text":"Salaries of lamp makers","readers":["hr"]}""");
        var stranger = api.Client(await api.AddTenantAsync());

        Assert.Empty(await SearchAsync(stranger, collection, """{"query":"lamp salaries","readers":["hr"]}"""));
        Assert.DoesNotContain(await SearchAsync(api.Http, collection, """{"query":"lamp"}"""), passage => passage.Source == "pay");
        Assert.Contains(
            await SearchAsync(api.Http, collection, """{"query":"lamp","readers":["hr"]}"""),
            passage => passage.Source == "pay"
        );
        using var gone = await stranger.DeleteAsync(Address(collection, "documents?source=lamps.md"), TestRun.Cancel);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
    }

    [Fact]
    public async Task Who_may_only_read_changes_no_document_of_any_collection_and_who_may_not_read_finds_none()
    {
        var (collection, other) = (Name(), Name());
        await PutAsync(api.Http, collection, Lamps);
        await PutAsync(api.Http, collection, """{"source":"pay","text":"Salaries of lamp makers","readers":["hr"]}""");
        var reader = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "knowledge:read"));
        var writer = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "knowledge:write"));
        var allElse = api.Client(
            await api.AddKeyAsync(ApiKeyStore.DefaultTenant, [.. Policies.Scopes.Where(scope => scope != Policies.WriteKnowledge)])
        );

        foreach (var client in (HttpClient[])[reader, allElse])
        {
            await AssertRefusedAsync(client.PutAsync(Address(collection, "documents"), Json(Lamps), TestRun.Cancel));
            await AssertRefusedAsync(
                client.PutAsync(Address(collection, "documents"), Json("""{"source":"x","text":"lamp"}"""), TestRun.Cancel)
            );
            await AssertRefusedAsync(client.PutAsync(Address(other, "documents"), Json(Lamps), TestRun.Cancel));
            await AssertRefusedAsync(client.DeleteAsync(Address(collection, "documents?source=lamps.md"), TestRun.Cancel));
            await AssertRefusedAsync(client.DeleteAsync(Address(collection, "documents?source=pay"), TestRun.Cancel));
            // A refusal says nothing of what there is.
            await AssertRefusedAsync(client.DeleteAsync(Address(other, "documents?source=none"), TestRun.Cancel));
        }

        var list = await reader.GetStringAsync(Address(collection, "documents"), TestRun.Cancel);
        Assert.Equal(
            [("pay", 1), ("lamps.md", 1)],
            JsonSerializer.Deserialize(list, WireJson.Default.KnowledgeList)!.Data.Select(document => (document.Source, document.Version))
        );
        Assert.Empty(await SearchAsync(reader, other, """{"query":"lamp"}"""));
        Assert.Equal(
            ["lamps.md"],
            (await SearchAsync(reader, collection, """{"query":"lamp"}""")).Select(passage => passage.Source).Distinct()
        );
        Assert.Equal(
            ["lamps.md"],
            (await SearchAsync(reader, collection, """{"query":"lamp","readers":["sales"]}""")).Select(passage => passage.Source).Distinct()
        );
        await AssertRefusedAsync(writer.PostAsync(Address(collection, "search"), Json("""{"query":"lamp"}"""), TestRun.Cancel));
        await AssertRefusedAsync(writer.GetAsync(Address(collection, "documents"), TestRun.Cancel));
        Assert.Equal(HttpStatusCode.OK, (await PutAsync(writer, collection, Lamps)).Status);
    }

    [Fact]
    public async Task What_is_old_is_left_out_when_a_search_says_so()
    {
        var collection = Name();
        await PutAsync(api.Http, collection, """{"source":"old","text":"prices","updated_at":"2020-01-01T00:00:00Z"}""");
        await PutAsync(api.Http, collection, """{"source":"new","text":"prices"}""");

        var fresh = await SearchAsync(api.Http, collection, """{"query":"prices","max_age_seconds":3600}""");

        Assert.Equal("new", Assert.Single(fresh).Source);
    }

    [Fact]
    public async Task A_64_a_source_is_removed_with_all_its_passages()
    {
        var collection = Name();
        await PutAsync(api.Http, collection, Lamps);

        using var first = await api.Http.DeleteAsync(Address(collection, "documents?source=lamps.md"), TestRun.Cancel);
        using var second = await api.Http.DeleteAsync(Address(collection, "documents?source=lamps.md"), TestRun.Cancel);

        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NotFound), (first.StatusCode, second.StatusCode));
        Assert.Empty(await SearchAsync(api.Http, collection, """{"query":"lamp"}"""));
    }

    [Fact]
    public async Task A_list_is_read_in_pages()
    {
        var collection = Name();
        for (var i = 0; i < 5; i++)
        {
            await PutAsync(api.Http, collection, $$"""{"source":"s{{i}}","text":"t"}""");
        }

        var (sources, cursor) = (new List<string>(), "");
        do
        {
            var more = cursor.Length == 0 ? "" : $"&cursor={cursor}";
            var text = await api.Http.GetStringAsync(Address(collection, $"documents?limit=2{more}"), TestRun.Cancel);
            var page = JsonSerializer.Deserialize(text, WireJson.Default.KnowledgeList)!;
            sources.AddRange(page.Data.Select(document => document.Source));
            cursor = page.NextCursor ?? "";
        } while (cursor.Length > 0);

        Assert.Equal(["s4", "s3", "s2", "s1", "s0"], sources);
    }

    [Theory]
    [InlineData("""{"text":"t"}""", "source is missing")]
    [InlineData("""{"source":"s"}""", "text is missing")]
    [InlineData("""{"source":"s","text":"t","language":"klingon"}""", "language is \"klingon\"; it must be one of simple")]
    [InlineData("""{"source":"s","text":"t","readers":[""]}""", "readers must list")]
    [InlineData("""{"source":"s","text":"t","owner":"me"}""", "owner")]
    public async Task A_document_that_cannot_be_is_refused_by_name(string body, string fault)
    {
        using var response = await api.Http.PutAsync(Address(Name(), "documents"), Json(body), TestRun.Cancel);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(fault, (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"query":"q"}""", "retrieve.collection is missing")]
    [InlineData("""{"collection":"../x"}""", "retrieve.collection is \"../x\"")]
    [InlineData("""{"collection":"c","limit":0}""", "retrieve.limit is 0")]
    public async Task A_job_that_looks_in_the_wrong_way_is_refused_by_name(string retrieve, string fault)
    {
        using var response = await api.PostAsync(
            ApiServer.Chat.Replace("\"chat\"", $"\"chat\",\"retrieve\":{retrieve}", StringComparison.Ordinal)
        );

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(fault, (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("jobs:write", false, HttpStatusCode.Forbidden)]
    [InlineData("jobs:write", true, HttpStatusCode.Forbidden)]
    [InlineData("knowledge:read", false, HttpStatusCode.Accepted)]
    [InlineData("knowledge:read", true, HttpStatusCode.Accepted)]
    public async Task A_10_a_job_gives_its_model_what_its_key_may_read(string scope, bool byTool, HttpStatusCode expected)
    {
        using var http = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:write", scope));
        var body = byTool
            ? ApiServer.Chat.Replace("\"messages\"", "\"tools\":[\"search_knowledge\"],\"messages\"", StringComparison.Ordinal)
            : ApiServer.Chat.Replace("\"chat\"", "\"chat\",\"retrieve\":{\"collection\":\"manuals\"}", StringComparison.Ordinal);

        using var response = await http.PostAsync(new Uri("/api/v1/jobs", UriKind.Relative), Json(body), TestRun.Cancel);

        Assert.Equal(expected, response.StatusCode);
        if (expected == HttpStatusCode.Forbidden)
        {
            var problem = await ApiServer.ReadProblemAsync(response);
            Assert.Equal("/problems/missing-scope", problem.Type);
            Assert.Contains("lacks the scope knowledge:read", problem.Detail, StringComparison.Ordinal);
        }
    }

    private static async Task AssertRefusedAsync(Task<HttpResponseMessage> call)
    {
        using var response = await call;
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains("lacks the scope that", (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    private static string Name() => $"c{Guid.CreateVersion7():N}";

    private static Uri Address(string collection, string rest) => new($"/api/v1/knowledge/{collection}/{rest}", UriKind.Relative);

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static async Task<(HttpStatusCode Status, KnowledgeDocument? Document)> PutAsync(
        HttpClient http,
        string collection,
        string body
    )
    {
        using var response = await http.PutAsync(Address(collection, "documents"), Json(body), TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return (response.StatusCode, JsonSerializer.Deserialize(text, WireJson.Default.KnowledgeDocument));
    }

    private static async Task<IReadOnlyList<KnowledgePassage>> SearchAsync(HttpClient http, string collection, string body)
    {
        using var response = await http.PostAsync(Address(collection, "search"), Json(body), TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize(text, WireJson.Default.KnowledgePassages)!.Data;
    }
}
