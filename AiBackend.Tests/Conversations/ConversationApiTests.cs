using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Conversations;

/// <summary>Conversations over the API.</summary>
public sealed class ConversationApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Address = "/api/v1/conversations";

    [Fact]
    public async Task A_conversation_is_made_read_listed_added_to_and_deleted()
    {
        var made = await MakeAsync(
            """{"title":"Lamps","instructions":"Be brief.","user":"u1","metadata":{"a":"b"},"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello there"}]}"""
        );
        var read = await GetAsync<Conversation>($"{Address}/{made.Id}", WireJson.Default.Conversation);
        var (added, more) = await SendAsync(
            api.Http,
            HttpMethod.Post,
            $"{Address}/{made.Id}/messages",
            """{"messages":[{"role":"user","content":"Bye"}]}"""
        );
        var first = await GetAsync($"{Address}/{made.Id}/messages?limit=2", WireJson.Default.ConversationMessages);
        var rest = await GetAsync($"{Address}/{made.Id}/messages?after={first.NextAfter}", WireJson.Default.ConversationMessages);

        Assert.Equal(("Lamps", "Be brief.", "u1", 2), (read.Title, read.Instructions, read.User, read.LastSeq));
        Assert.Equal((HttpStatusCode.Created, 3), (added, more.GetProperty("data")[0].GetProperty("seq").GetInt32()));
        Assert.Equal([(1, "Hi", 1), (2, "Hello there", 3)], first.Data.Select(each => (each.Seq, each.Content, each.Tokens)));
        Assert.Equal(["Bye"], rest.Data.Select(message => message.Content));
        Assert.Null(rest.NextAfter);
        await MakeAsync("{}");
        var page = await GetAsync(Address + "?limit=1", WireJson.Default.ConversationList);
        var next = await GetAsync($"{Address}?limit=200&cursor={page.NextCursor}", WireJson.Default.ConversationList);
        Assert.Contains(next.Data, each => each.Id == made.Id);

        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(api.Http, HttpMethod.Delete, $"{Address}/{made.Id}/messages/1")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(api.Http, HttpMethod.Delete, $"{Address}/{made.Id}/messages/1")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(api.Http, HttpMethod.Delete, $"{Address}/{made.Id}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(api.Http, HttpMethod.Get, $"{Address}/{made.Id}")).Status);
    }

    [Theory]
    [InlineData("""{"conversation":{"overlap":"enqueue"}}""", "conversation.id is missing")]
    [InlineData("""{"conversation":{"id":"ID","overlap":"wait"}}""", "one of enqueue, reject, interrupt")]
    [InlineData("""{"conversation":{"id":"ID","max_tokens":10}}""", "from 256 to 1000000")]
    [InlineData("""{"conversation":{"id":"ID"},"cache":"read_write"}""", "is not shared")]
    [InlineData(
        """{"conversation":{"id":"ID"},"input":{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}}""",
        "input.messages[1].role is \"assistant\""
    )]
    [InlineData("""{"conversation":{"id":"ID"},"input":{"messages":[{"role":"system","content":"a"}]}}""", "no message of the role user")]
    [InlineData(
        """{"conversation":{"id":"ID"},"input":{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f"}}]}}""",
        "not registered"
    )]
    public async Task A_job_that_cannot_continue_a_conversation_is_refused(string members, string says)
    {
        var talk = await MakeAsync("{}");
        var body = members.Replace("ID", talk.Id.ToString(), StringComparison.Ordinal)[1..^1];
        var input = body.Contains("input", StringComparison.Ordinal) ? "" : ""","input":{"messages":[{"role":"user","content":"Hello"}]}""";

        using var response = await api.PostAsync("{\"type\":\"chat\"," + body + input + "}");

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(says, (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_job_waits_is_refused_or_interrupts_as_it_says()
    {
        var talk = await MakeAsync("{}");
        var first = await api.SubmitAsync(Job(talk.Id, "enqueue"));
        using var refused = await api.PostAsync(Job(talk.Id, "reject"));
        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        Assert.EndsWith("/conversation-busy", problem.Type, StringComparison.Ordinal);
        Assert.Contains(first.Id.ToString(), problem.Detail, StringComparison.Ordinal);
        using var kept = await api.Http.DeleteAsync(new Uri($"{Address}/{talk.Id}", UriKind.Relative), TestRun.Cancel);
        Assert.Equal(HttpStatusCode.Conflict, kept.StatusCode);

        var second = await api.SubmitAsync(Job(talk.Id, "enqueue"));
        Assert.Equal(("queued", talk.Id), ((await api.GetJobAsync(first.Id)).Status, (await api.GetJobAsync(second.Id)).ConversationId));
        var third = await api.SubmitAsync(Job(talk.Id, "interrupt"));

        Assert.Equal("cancelled", (await api.GetJobAsync(first.Id)).Status);
        Assert.Equal("cancelled", (await api.GetJobAsync(second.Id)).Status);
        Assert.Equal("queued", (await api.GetJobAsync(third.Id)).Status);
    }

    [Fact]
    public async Task A_repeat_finds_its_job_although_the_conversation_takes_no_other()
    {
        var talk = await MakeAsync("{}");
        var first = await api.SubmitAsync(Job(talk.Id, "reject"), ("Idempotency-Key", "talk-1"));

        var again = await api.SubmitAsync(Job(talk.Id, "reject"), ("Idempotency-Key", "talk-1"));

        Assert.Equal(first.Id, again.Id);
    }

    [Fact]
    public async Task A_1_nobody_continues_a_conversation_of_another_tenant()
    {
        var talk = await MakeAsync("""{"messages":[{"role":"user","content":"secret"}]}""");
        using var stranger = api.Client(await api.AddTenantAsync());
        var unknown = Guid.CreateVersion7();

        using var foreign = await ApiServer.PostAsync(stranger, System.Text.Encoding.UTF8.GetBytes(Job(talk.Id, "enqueue")));
        using var none = await ApiServer.PostAsync(stranger, System.Text.Encoding.UTF8.GetBytes(Job(unknown, "enqueue")));
        var list = await stranger.GetStringAsync(new Uri(Address, UriKind.Relative), TestRun.Cancel);

        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound), (foreign.StatusCode, none.StatusCode));
        Assert.Equal(
            (await ApiServer.ReadProblemAsync(none)).Detail!.Replace(unknown.ToString(), talk.Id.ToString(), StringComparison.Ordinal),
            (await ApiServer.ReadProblemAsync(foreign)).Detail
        );
        Assert.DoesNotContain(talk.Id.ToString(), list, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_conversation_that_is_long_enough_takes_no_more()
    {
        var talk = await MakeAsync("{}");
        await using var fill = api.Db.Source.CreateCommand("UPDATE conversations SET last_seq = 10000 WHERE id = $1");
        fill.Parameters.AddWithValue(talk.Id);
        await fill.ExecuteNonQueryAsync(TestRun.Cancel);

        using var job = await api.PostAsync(Job(talk.Id, "enqueue"));
        var (status, problem) = await SendAsync(
            api.Http,
            HttpMethod.Post,
            $"{Address}/{talk.Id}/messages",
            """{"messages":[{"role":"user","content":"Bye"}]}"""
        );

        Assert.Equal((HttpStatusCode.Conflict, HttpStatusCode.Conflict), (job.StatusCode, status));
        Assert.Contains("Conversations__MaxMessages", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replay_of_a_failed_job_goes_on_with_its_conversation()
    {
        var talk = await MakeAsync("{}");
        var job = await api.SubmitAsync(Job(talk.Id, "enqueue"));
        var core = await api.WorkerAsync();
        using (var running = await core.ClaimAsync(job.Id))
        {
            Assert.True(await running.EndAsync(AttemptEnd.FailedForGood(new("x", "unknown", "It failed.", true))));
        }

        var (status, replayed) = await SendAsync(api.Http, HttpMethod.Post, $"/api/v1/jobs/{job.Id}/replay");
        using (var running = await core.ClaimAsync(replayed.GetProperty("id").GetGuid()))
        {
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("At last.")));
        }

        Assert.Equal(HttpStatusCode.Accepted, status);
        var page = await GetAsync($"{Address}/{talk.Id}/messages", WireJson.Default.ConversationMessages);
        Assert.Equal(["Hello", "At last."], page.Data.Select(message => message.Content));
    }

    [Fact]
    public async Task A_branch_has_what_was_said_until_then_and_goes_its_own_way()
    {
        var talk = await MakeAsync(
            """{"title":"Lamps","messages":[{"role":"user","content":"One"},{"role":"assistant","content":"Two"},{"role":"user","content":"Three"}]}"""
        );

        var (status, made) = await SendAsync(api.Http, HttpMethod.Post, $"{Address}/{talk.Id}/branch", """{"after":2}""");
        var (named, other) = await SendAsync(api.Http, HttpMethod.Post, $"{Address}/{talk.Id}/branch", """{"title":"Shades"}""");
        await SendAsync(
            api.Http,
            HttpMethod.Post,
            $"{Address}/{made.GetProperty("id").GetGuid()}/messages",
            """{"messages":[{"role":"user","content":"Four"}]}"""
        );

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (status, named));
        Assert.Equal(("Lamps", "Shades"), (made.GetProperty("title").GetString(), other.GetProperty("title").GetString()));
        Assert.Equal(["One", "Two", "Four"], await SaidAsync(made.GetProperty("id").GetGuid()));
        Assert.Equal(["One", "Two", "Three"], await SaidAsync(other.GetProperty("id").GetGuid()));
        Assert.Equal(["One", "Two", "Three"], await SaidAsync(talk.Id));
    }

    [Theory]
    [InlineData("""{"after":9}""", HttpStatusCode.BadRequest, "has no such message yet")]
    [InlineData("""{"after":-1}""", HttpStatusCode.BadRequest, "after is -1")]
    [InlineData("""{"from":1}""", HttpStatusCode.BadRequest, "from")]
    public async Task A_branch_that_cannot_be_is_refused_by_name(string body, HttpStatusCode status, string says)
    {
        var talk = await MakeAsync("""{"messages":[{"role":"user","content":"One"}]}""");

        var (refused, problem) = await SendAsync(api.Http, HttpMethod.Post, $"{Address}/{talk.Id}/branch", body);

        Assert.Equal(status, refused);
        Assert.Contains(says, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await SendAsync(api.Http, HttpMethod.Post, $"{Address}/{Guid.CreateVersion7()}/branch", "{}")).Status
        );
    }

    [Fact]
    public async Task A_profile_is_put_read_and_deleted_and_bad_ones_are_refused()
    {
        const string Profile = "/api/v1/profiles/u-branch";
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(api.Http, HttpMethod.Get, Profile)).Status);
        Assert.True((int)(await SendAsync(api.Http, HttpMethod.Put, Profile, """{"text":"Likes brevity."}""")).Status < 300);
        var (read, profile) = await SendAsync(api.Http, HttpMethod.Get, Profile);

        Assert.Equal((HttpStatusCode.OK, "Likes brevity."), (read, profile.GetProperty("text").GetString()));
        var (empty, problem) = await SendAsync(api.Http, HttpMethod.Put, Profile, """{"text":""}""");
        Assert.Equal(HttpStatusCode.BadRequest, empty);
        Assert.Contains("DELETE the profile", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        var tooLong = $"{{\"text\":\"{new string('x', 32_769)}\"}}";
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(api.Http, HttpMethod.Put, Profile, tooLong)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(api.Http, HttpMethod.Delete, Profile)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(api.Http, HttpMethod.Get, Profile)).Status);
    }

    private async Task<IEnumerable<string>> SaidAsync(Guid talk) =>
        (await GetAsync($"{Address}/{talk}/messages", WireJson.Default.ConversationMessages)).Data.Select(message => message.Content);

    private static string Job(Guid talk, string overlap) =>
        ApiServer.Chat.Replace(
            "\"chat\"",
            $$"""
            "chat","conversation":{"id":"{{talk}}","overlap":"{{overlap}}"}
            """,
            StringComparison.Ordinal
        );

    private async Task<Conversation> MakeAsync(string body)
    {
        var (status, made) = await SendAsync(api.Http, HttpMethod.Post, Address, body);
        Assert.True(status == HttpStatusCode.Created, $"{status}: {made}");
        return made.Deserialize(WireJson.Default.Conversation)!;
    }

    private async Task<T> GetAsync<T>(string address, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(await api.Http.GetStringAsync(new Uri(address, UriKind.Relative), TestRun.Cancel), type)!;
}
