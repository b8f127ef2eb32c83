using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>What it costs to refuse what is not worth looking at: next to nothing.</summary>
public sealed class CheapRefusalTests(CheapApi api) : IClassFixture<CheapApi>
{
    private const int Asked = 100;
    private const int Samples = 51;

    // The papers name times on a machine that does nothing else; these tests share theirs.
    private const int Busy = 10;
    private static readonly TimeSpan LongestOfKey = TimeSpan.FromMilliseconds(5) * Busy;
    private static readonly TimeSpan LongestOfBody = TimeSpan.FromMilliseconds(50) * Busy;

    [Fact]
    public async Task A_7_a_key_whose_checksum_is_wrong_asks_postgres_nothing()
    {
        using var queries = new KeyQueries(api.Db.Name);

        for (var i = 0; i < Asked; i++)
        {
            await RefusedAsync(ApiKey.Create(live: false).Text);
        }

        var sound = queries.Count;
        for (var i = 0; i < Asked; i++)
        {
            await RefusedAsync(Mistyped());
        }

        // Each is looked up that could be one; what else asks for keys meanwhile is what looks after those in use.
        Assert.InRange(sound, Asked, 2 * Asked);
        Assert.InRange(queries.Count - sound, 0, Asked / 4);
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_7_a_key_whose_checksum_is_wrong_is_refused_within_five_milliseconds()
    {
        var took = await MedianAsync(() => RefusedAsync(Mistyped()));

        Assert.True(took <= LongestOfKey, $"It took {took.TotalMilliseconds:0.0} ms.");
    }

    [Theory]
    [Trait("Category", "Long")]
    [InlineData("/api/v1/jobs")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/responses")]
    public async Task A_41_whatever_is_wrong_with_a_body_is_told_within_fifty_milliseconds(string address)
    {
        var slow = new List<string>();
        foreach (var (name, body) in Bodies())
        {
            var took = await MedianAsync(async () =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(body) };
                request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
                request.Headers.ExpectContinue = body.Length > 1 << 20;
                using var response = await api.Http.SendAsync(request, TestRun.Cancel);
                Assert.True(
                    response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge,
                    $"{name}: {response.StatusCode}"
                );
            });
            if (took > LongestOfBody)
            {
                slow.Add($"{name}: {took.TotalMilliseconds:0} ms");
            }
        }

        Assert.Empty(slow);
    }

    [Theory]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/responses")]
    public async Task A_41_a_million_members_are_counted_and_not_looked_at(string address)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(Members(1_000_000)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        // Asks before it sends, so that the answer is never lost in a cut connection.
        request.Headers.ExpectContinue = true;

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Contains("more than 1048576 bytes", await response.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
    }

    private static byte[] Members(int count) => Text($"{{{string.Join(',', Enumerable.Range(0, count).Select(i => $"\"{i}\":1"))}}}");

    private static IEnumerable<(string Name, byte[] Body)> Bodies()
    {
        foreach (var depth in (int[])[33, 1_000, 100_000])
        {
            yield return ($"lists, {depth} deep", Text($"{{\"input\":{new string('[', depth)}{new string(']', depth)}}}"));
            yield return ($"objects, {depth} deep", Text($"{string.Concat(Enumerable.Repeat("{\"a\":", depth))}1{new string('}', depth)}"));
            yield return ($"never closed, {depth} deep", Text(new string('[', depth)));
        }

        foreach (var members in (int[])[10_000, 90_000, 1_000_000])
        {
            yield return ($"{members} members", Members(members));
        }

        yield return ("twice", Text("""{"model":"default","model":"other","input":"x","messages":[]}"""));
        yield return ("1e400", Text("""{"model":"default","temperature":1e400}"""));
        yield return ("half a pair", Text("""{"model":"\ud800"}"""));
        yield return ("no UTF-8", [.. "{\"model\":\""u8, 0xC3, 0x28, .. "\"}"u8]);
        yield return ("byte order mark", [0xEF, 0xBB, 0xBF, .. "{}"u8]);
        yield return ("comment", Text("""{/* x */"model":"default"}"""));
        yield return ("more behind", Text("""{"model":"default"} {}"""));
    }

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>Of its form, with one letter changed.</summary>
    private static string Mistyped()
    {
        var key = ApiKey.Create(live: false).Text;
        var mistyped = key[..^1] + (key[^1] == 'a' ? 'b' : 'a');
        Assert.Null(ApiKey.TryParse(mistyped));
        return mistyped;
    }

    private async Task RefusedAsync(string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/providers");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var response = await api.Client(null).SendAsync(request, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    /// <summary>What else the machine does meets some calls, and not half of them.</summary>
    private static async Task<TimeSpan> MedianAsync(Func<Task> call)
    {
        await call();
        var all = new List<TimeSpan>();
        for (var i = 0; i < Samples; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await call();
            all.Add(Stopwatch.GetElapsedTime(began));
        }

        return all.Order().ElementAt(Samples / 2);
    }

    /// <summary>Statements about keys that one database was asked, as the driver tells whoever listens.</summary>
    private sealed class KeyQueries : IDisposable
    {
        private readonly ActivityListener _listener;
        private readonly ConcurrentQueue<string> _all = new();

        public KeyQueries(string database)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == "Npgsql",
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
                ActivityStopped = activity =>
                {
                    var tags = activity.TagObjects.Select(tag => tag.Value as string ?? "").ToList();
                    if (tags.Contains(database) && tags.Find(tag => tag.Contains("api_keys", StringComparison.Ordinal)) is { } sql)
                    {
                        _all.Enqueue(sql);
                    }
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public int Count => _all.Count;

        public void Dispose() => _listener.Dispose();
    }
}

/// <summary>Who asks in vain here is not refused for that.</summary>
public sealed class CheapApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings => [("Limits:FailedRequestsPerMinute", "1000000")];
}
