using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Api;

/// <summary>What a fresh installation does without being told, and what strangers to its rules get.</summary>
public sealed partial class SecureDefaultTests(ApiServer api) : IClassFixture<ApiServer>
{
    private static readonly string[] Injections =
    [
        "' OR '1'='1",
        "'; DROP TABLE jobs; --",
        "\" OR 1=1 --",
        "') UNION SELECT hash FROM api_keys --",
        "1; SELECT pg_sleep(5)",
        "%' AND 1=0 UNION ALL SELECT NULL --",
        "\\'; --",
        "$$; DROP TABLE jobs $$",
        "@tenant_id",
    ];

    /// <summary>What a job says to whoever may read it; a new member is a decision, made here.</summary>
    private static readonly string[] JobMembers =
    [
        "id",
        "type",
        "status",
        "model",
        "feature",
        "priority",
        "created_at",
        "started_at",
        "finished_at",
        "attempt",
        "max_attempts",
        "next_attempt_at",
        "deadline",
        "queue",
        "output",
        "error",
        "usage",
        "served_by",
        "trace_id",
        "replay_of",
        "title",
        "metadata",
        "links",
        "object",
        "contract",
        "conversation_id",
        "context",
        "crashes",
    ];

    [Fact]
    public void D_9_the_server_bounds_what_a_connection_may_ask()
    {
        var limits = api.Get<IOptions<KestrelServerOptions>>().Value.Limits;

        Assert.Equal(1024 * 1024, limits.MaxRequestBodySize);
        Assert.Equal(
            (32 * 1024, 100, 8 * 1024),
            (limits.MaxRequestHeadersTotalSize, limits.MaxRequestHeaderCount, limits.MaxRequestLineSize)
        );
        Assert.Equal((TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(60)), (limits.RequestHeadersTimeout, limits.KeepAliveTimeout));
        Assert.NotNull(limits.MinRequestBodyDataRate);
        Assert.NotNull(limits.MinResponseDataRate);
        Assert.NotNull(limits.MaxConcurrentConnections);
        Assert.NotNull(limits.MaxConcurrentUpgradedConnections);
        Assert.InRange(limits.Http2.MaxStreamsPerConnection, 1, 100);
        Assert.False(api.Get<IOptions<KestrelServerOptions>>().Value.AddServerHeader);
    }

    [Fact]
    public void D_17_no_file_of_settings_has_a_secret()
    {
        var settings = Directory
            .EnumerateFiles(Repository.Root, "*.json", SearchOption.AllDirectories)
            .Where(file =>
                Path.GetFileName(file) is var name
                && (name.StartsWith("appsettings", StringComparison.Ordinal) || name == "launchSettings.json")
            )
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

        Findings.None(
            "Secrets come from the environment or a vault, never from a file of the repository.",
            settings.Where(file => Secret().IsMatch(File.ReadAllText(file)))
        );
    }

    [Fact]
    public async Task A_12_a_session_counts_at_every_server_and_one_that_was_tampered_with_at_none()
    {
        await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/users",
            """{"email":"a12@nodes.example","role":"viewer","password":"a long password"}"""
        );
        var begun = await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/sessions",
            """{"email":"a12@nodes.example","password":"a long password"}"""
        );
        var token = begun.Body.GetProperty("token").GetString()!;
        await using var second = ApiServer.Create([
            ("ConnectionStrings:aibackend", api.Db.ConnectionString),
            ("ConnectionStrings:redis", "127.0.0.1:9"),
        ]);
        await second.StartAsync(TestRun.Cancel);
        using var handler = new SocketsHttpHandler();
        using var elsewhere = new HttpClient(handler) { BaseAddress = new Uri(second.Urls.Single()) };
        elsewhere.DefaultRequestHeaders.Authorization = new("Bearer", token);
        var changed = token[..^1] + (token[^1] == 'a' ? 'b' : 'a');
        using var tampered = api.Client(changed);

        Assert.Equal(HttpStatusCode.OK, (await SendAsync(elsewhere, HttpMethod.Get, "/api/v1/sessions/current")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(tampered, HttpMethod.Get, "/api/v1/sessions/current")).Status);
        await second.StopAsync(TestRun.Cancel);
    }

    [Fact]
    public async Task A_16_a_reader_is_shown_the_members_of_a_job_that_are_his_business_and_no_others()
    {
        var job = await api.SubmitAsync();
        using var reader = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read"));

        var one = (await SendAsync(reader, HttpMethod.Get, $"/api/v1/jobs/{job.Id}")).Body;
        var list = (await SendAsync(reader, HttpMethod.Get, "/api/v1/jobs")).Body.GetProperty("data")[0];

        foreach (var shown in new[] { one, list })
        {
            Assert.Empty(shown.EnumerateObject().Select(member => member.Name).Except(JobMembers));
            Assert.DoesNotContain("epoch", shown.ToString(), StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("worker", shown.ToString(), StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public async Task A_75_what_looks_like_SQL_is_text_like_any_other_wherever_it_is_sent()
    {
        var before = await CountAsync();
        foreach (var text in Injections)
        {
            var body = JsonSerializer.Serialize(
                new
                {
                    type = "chat",
                    feature = text[..Math.Min(text.Length, 60)],
                    user = text,
                    metadata = new Dictionary<string, string>(StringComparer.Ordinal) { [text[..Math.Min(text.Length, 60)]] = text },
                    input = new { messages = new[] { new { role = "user", content = text } } },
                }
            );
            var made = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/jobs", body);
            Assert.True(made.Status == HttpStatusCode.Accepted, made.Body.ToString());
            var id = made.Body.GetProperty("id").GetGuid();
            var query = Uri.EscapeDataString(text[..Math.Min(text.Length, 60)]);

            var found = await SendAsync(api.Http, HttpMethod.Get, $"/api/v1/jobs?feature={query}");
            var read = await SendAsync(api.Http, HttpMethod.Get, $"/api/v1/jobs/{id}");

            Assert.Equal(id, Assert.Single(found.Body.GetProperty("data").EnumerateArray()).GetProperty("id").GetGuid());
            Assert.Equal(text, read.Body.GetProperty("metadata").EnumerateObject().Single().Value.GetString());
            foreach (
                var path in (string[])
                    [
                        "/api/v1/audit?actor=",
                        "/api/v1/audit?object=",
                        "/api/v1/jobs?status=",
                        "/api/v1/jobs?cursor=",
                        "/api/v1/keys?tenant=",
                        "/api/v1/jobs/",
                        "/api/v1/keys/",
                        "/api/v1/tenants/",
                        "/api/v1/dead-letters/",
                        "/api/v1/dead-letters?model=",
                    ]
            )
            {
                var answer = await SendAsync(api.Http, HttpMethod.Get, path + query);
                Assert.True((int)answer.Status is 200 or 400 or 404, $"{path}{query}: {answer.Status}");
                Assert.DoesNotContain("syntax", answer.Body.ToString(), StringComparison.OrdinalIgnoreCase);
            }
        }

        Assert.Equal(before + Injections.Length, await CountAsync());
    }

    private async Task<long> CountAsync()
    {
        await using var command = api.Db.Source.CreateCommand("SELECT count(*) FROM jobs");
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    [GeneratedRegex(
        "aib_(test|live)_[0-9A-Za-z]{36}|sk-[0-9A-Za-z_-]{16,}|Password=[^;\"]+|whsec_[0-9A-Za-z+/]{20,}",
        RegexOptions.ExplicitCapture,
        1000
    )]
    private static partial Regex Secret();
}
