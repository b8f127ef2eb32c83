using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi;

namespace AiBackend.Tests.Api;

/// <summary>One list of hostile bodies, sent through every door that takes work: each refuses them in its own words, and stores nothing.</summary>
public sealed class HostileBodyTests(ApiServer api) : IClassFixture<ApiServer>
{
    // Milliseconds, unless it costs more than its length.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    private const string Schema =
        """ "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"MEMBER":"http://127.0.0.1:ATTACKER/"}}}}}],""";

    private const string Attacker = "http://127.0.0.1:ATTACKER/";

    /// <summary>By name: the address, and a body that is taken as it is, with the places where others put something in.</summary>
    private static readonly Dictionary<string, (string Path, Func<Parts, string> Body)> Doors = new(StringComparer.Ordinal)
    {
        ["job"] = (
            "/api/v1/jobs",
            add =>
                $$$"""{{{{add.Root}}}"type":"chat","model":"sim","input":{{{{add.Input}}}"messages":[{{{{add.Nested}}}"role":"user","content":"{{{add.Text}}}"}]}}"""
        ),
        ["completion"] = (
            "/v1/chat/completions",
            add =>
                $$$"""{{{{add.Root + add.Input}}}"model":"sim","stream":true,"messages":[{{{{add.Nested}}}"role":"user","content":"{{{add.Text}}}"}]}"""
        ),
        ["response"] = (
            "/v1/responses",
            add =>
                $$$"""{{{{add.Root + add.Input}}}"model":"sim","background":true,"input":[{{{{add.Nested}}}"role":"user","content":"{{{add.Text}}}"}]}"""
        ),
        // Nothing is nested in it.
        ["embedding"] = ("/v1/embeddings", add => $$$"""{{{{add.Root + add.Input + add.Nested}}}"model":"sim","input":"{{{add.Text}}}"}"""),
    };

    private static readonly Dictionary<string, Abuse> Abuses = AllAbuses().ToDictionary(each => each.Name, StringComparer.Ordinal);

    public static MatrixTheoryData<string, string> Cases => new(Doors.Keys, Abuses.Keys);

    public static TheoryData<string> DoorNames => [.. Doors.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_15_a_37_a_40_a_41_a_42_a_46_a_hostile_body_is_refused_and_nothing_is_stored(string door, string abuse)
    {
        var (path, body) = Doors[door];
        var how = Abuses[abuse];
        using var attacker = new TcpListener(IPAddress.Loopback, 0);
        attacker.Start();
        var port = $"{((IPEndPoint)attacker.LocalEndpoint).Port}";
        var bytes = how.Make(add => body(add).Replace("ATTACKER", port, StringComparison.Ordinal));
        var before = await StoredAsync();

        var watch = Stopwatch.StartNew();
        using var response = await SendAsync(path, bytes, how);
        // The answer to what was taken would be long in coming.
        Assert.True(how.Statuses.Contains((int)response.StatusCode), $"It was answered with {(int)response.StatusCode}.");
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(watch.Elapsed < Longest, $"It took {watch.Elapsed}.");
        if (path.StartsWith("/v1/", StringComparison.Ordinal))
        {
            await OpenAiClientOf.ReadErrorAsync(response, response.StatusCode);
            // The model of embeddings is none that makes any: all else is found before.
            Assert.DoesNotContain("makes no embeddings", text, StringComparison.Ordinal);
        }
        else
        {
            await ApiServer.ReadProblemAsync(response);
        }

        Assert.Equal(before, await StoredAsync());
        Assert.False(attacker.Pending(), "nobody is called that a body names");
    }

    [Theory]
    [MemberData(nameof(DoorNames))]
    public async Task A_body_without_anything_hostile_is_taken(string door)
    {
        var (path, body) = Doors[door];

        using var response = await SendAsync(path, Bytes(body(new())), new("none", _ => []));

        var expected = door switch
        {
            "job" => HttpStatusCode.Accepted,
            "embedding" => HttpStatusCode.BadRequest,
            _ => HttpStatusCode.OK,
        };
        Assert.Equal(expected, response.StatusCode);
        if (door == "embedding")
        {
            Assert.Contains("makes no embeddings", await response.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
        }
    }

    private static IEnumerable<Abuse> AllAbuses()
    {
        foreach (
            var member in (string[])
                [
                    "\"tenant_id\":\"x\"",
                    "\"status\":\"completed\"",
                    "\"cost_usd\":0",
                    "\"priority\":-100",
                    "\"role\":\"admin\"",
                    "\"is_admin\":true",
                    "\"epoch\":7",
                    "\"created_by\":\"x\"",
                ]
        )
        {
            yield return Json($"A-15 {member}", new() { Root = member + "," });
        }

        foreach (var name in (string[])["api_base", "base_url", "endpoint", "proxy", "headers", "organization", "api_key"])
        {
            var member = $"\"{name}\":\"{Attacker}\",";
            yield return Json($"A-37 {name}", new() { Root = member });
            yield return Json($"A-37 nested {name}", new() { Nested = member });
            yield return Json($"A-37 deep {name}", new() { Nested = $"\"x\":[{{\"y\":{{{member.TrimEnd(',')}}}}}]," });
        }

        // Where anything may stand, but for this.
        foreach (var name in (string[])["api_base", "base_url", "endpoint", "proxy", "headers", "api_key"])
        {
            yield return Json($"A-37 {name} in a schema", new() { Input = Schema.Replace("MEMBER", name, StringComparison.Ordinal) });
        }

        yield return Json("A-40 two megabytes", new() { Text = new string('x', 2 << 20) }, 413);
        yield return Json("A-40 two megabytes of unknown length", new() { Text = new string('x', 2 << 20) }, 413) with
        {
            IsChunked = true,
        };

        foreach (var depth in (int[])[33, 1_000, 100_000])
        {
            var nest = new string('[', depth) + new string(']', depth);
            yield return Json($"A-41 depth {depth}", new() { Root = $"\"metadata\":{nest}," });
        }

        yield return Json("A-41 many members", new() { Root = Members(50_000) });
        yield return Json("A-41 a million members", new() { Root = Members(1_000_000) }, 400, 413);
        yield return Json("A-41 two models", new() { Root = "\"model\":\"default\"," });
        yield return Json("A-41 1e400", new() { Input = "\"temperature\":1e400," });
        yield return Json("A-41 no number", new() { Input = "\"temperature\":NaN," });
        yield return Json("A-41 half a pair", new() { Text = "\\ud83d" });
        yield return Json("A-41 U+0000", new() { Text = "a\\u0000b" });
        yield return Of("A-41 no UTF-8", good => Bytes(good).Select(each => each == (byte)'T' ? (byte)0xFF : each), new() { Text = "T" });
        yield return Of("A-41 a byte order mark", good => Bytes("\uFEFF" + good));
        yield return Of("A-41 a comment", good => Bytes("/* */" + good));
        yield return Of("A-41 more behind it", good => Bytes(good + "{}"));
        yield return Of("A-41 cut off", good => Bytes(good[..^1]));
        yield return Of("A-41 another encoding", Encoding.Unicode.GetBytes);

        foreach (var encoding in (string[])["gzip", "br", "deflate", "gzip, gzip, gzip, gzip, gzip", "identity, gzip"])
        {
            yield return new Abuse($"A-42 {encoding}", _ => Bomb(), 415, 400) { Encoding = encoding };
        }

        yield return new Abuse("A-42 packed in secret", _ => Bomb(), 400);

        foreach (
            var member in (string[])
                [
                    "\"max_tokens\":2147483648",
                    "\"max_output_tokens\":2147483648",
                    "\"max_completion_tokens\":2147483648",
                    "\"dimensions\":2147483648",
                    "\"n\":1000",
                    "\"best_of\":1000",
                    "\"reasoning_effort\":\"maximum\"",
                    "\"max_tool_calls\":2147483648",
                    $"\"tools\":[{string.Join(',', Enumerable.Range(0, 2_000).Select(i => $$$"""{"type":"function","function":{"name":"f{{{i}}}"}}"""))}]",
                ]
        )
        {
            yield return Json($"A-46 {member[..Math.Min(member.Length, 40)]}", new() { Input = member + "," });
        }
    }

    private static Abuse Json(string name, Parts add, params int[] statuses) =>
        new(name, body => Bytes(body(add)), statuses.Length > 0 ? statuses : [400]);

    private static Abuse Of(string name, Func<string, IEnumerable<byte>> change, Parts? add = null) =>
        new(name, body => [.. change(body(add ?? new()))], 400);

    private static string Members(int count) => string.Concat(Enumerable.Range(0, count).Select(i => $"\"k{i}\":1,"));

    /// <summary>Of 10 MB, a thousandth.</summary>
    private static byte[] Bomb()
    {
        using var packed = new MemoryStream();
        using (var zip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            zip.Write(new byte[10 << 20]);
        }

        return packed.ToArray();
    }

    /// <summary>Sends it again when its connection was cut before its answer could be read, as it may be behind a refusal in the middle of a body.</summary>
    private async Task<HttpResponseMessage> SendAsync(string path, byte[] body, Abuse how)
    {
        for (var tries = 2; ; tries--)
        {
            try
            {
                return await SendOnceAsync(path, body, how);
            }
            catch (HttpRequestException cut) when (how.IsChunked && cut.InnerException is IOException && tries > 1) { }
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(string path, byte[] body, Abuse how)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.TryAddWithoutValidation("Idempotency-Key", Guid.CreateVersion7().ToString());
        request.Headers.TransferEncodingChunked = how.IsChunked;
        // Asks before it sends, so that the answer is never lost in a cut connection.
        request.Headers.ExpectContinue = body.Length > 1 << 20;
        if (how.Encoding is { } encoding)
        {
            request.Content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        }

        return await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
    }

    private async Task<(long, long, long, long, long, long)> StoredAsync()
    {
        await using var command = api.Db.Source.CreateCommand(
            """
            SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM job_payloads), (SELECT count(*) FROM idempotency_keys),
                   (SELECT count(*) FROM kept_answers), (SELECT count(*) FROM provider_calls), (SELECT count(*) FROM files)
            """
        );
        await using var row = await command.ExecuteReaderAsync(TestRun.Cancel);
        await row.ReadAsync(TestRun.Cancel);
        return (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>What is put into a body: members of its root, of its input and of something in there, and its text.</summary>
    private sealed record Parts
    {
        public string Root { get; init; } = "";

        public string Input { get; init; } = "";

        public string Nested { get; init; } = "";

        public string Text { get; init; } = "Hello";
    }

    private sealed record Abuse(string Name, Func<Func<Parts, string>, byte[]> Make, params int[] Statuses)
    {
        public string? Encoding { get; init; }

        public bool IsChunked { get; init; }
    }
}
