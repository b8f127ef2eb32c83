using System.Net;
using System.Text;
using AiBackend.Api.Auth;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using static System.Net.HttpStatusCode;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Api;

/// <summary>Every endpoint there is, asked by who lacks what it takes: none lets in anybody else.</summary>
public sealed class ScopeMatrixTests(ApiServer api) : IClassFixture<ApiServer>
{
    /// <summary>Whose method writes and who only read: they ask something with a body, or end what is the asker's own.</summary>
    private static readonly string[] OpenToReaders =
    [
        "POST /api/v1/jobs/{id}/stream-tickets",
        "POST /api/v1/knowledge/{collection}/search",
        "PATCH /api/v1/sessions/current",
        "DELETE /api/v1/sessions/current",
    ];

    private static readonly string[] Reading = [.. Policies.Scopes.Where(scope => scope.EndsWith(":read", StringComparison.Ordinal))];

    /// <summary>Every method of every endpoint that takes a key, and the scopes it takes.</summary>
    private IEnumerable<(string Method, string Pattern, string[] Scopes)> Calls =>
        from call in api.Calls()
        where !call.IsOpen
        select (
            call.Method is "ANY" ? "GET" : call.Method,
            call.Pattern,
            call.Policies.OfType<string>().Distinct().Where(policy => policy is not (Policies.AnyKey or Policies.Operators)).ToArray()
        );

    [Fact]
    public async Task A_10_a_key_that_only_reads_writes_nowhere()
    {
        using var reader = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, Reading));
        var before = await CountAsync();
        var open = new List<string>();
        var refused = 0;

        foreach (var (method, pattern, _) in Calls.Where(call => call.Method is not ("GET" or "HEAD")))
        {
            if (await IsRefusedAsync(reader, method, pattern) is null)
            {
                refused++;
            }
            else
            {
                open.Add($"{method} {pattern}");
            }
        }

        Assert.Equal(OpenToReaders.Order(StringComparer.Ordinal), open.Order(StringComparer.Ordinal));
        Assert.True(refused > 70, $"{refused} calls were refused.");
        Assert.Equal(before, await CountAsync());
    }

    [Fact]
    public async Task A_10_a_key_that_may_do_all_but_one_thing_is_refused_that_and_a_key_that_may_do_that_alone_is_not()
    {
        var (but, only) = (
            new Dictionary<string, HttpClient>(StringComparer.Ordinal),
            new Dictionary<string, HttpClient>(StringComparer.Ordinal)
        );
        var tried = 0;
        var closed = new List<string>();

        foreach (var (method, pattern, scopes) in Calls.Where(call => call.Scopes.Length > 0))
        {
            var all = string.Join(' ', scopes);
            if (!only.TryGetValue(all, out var able))
            {
                only[all] = able = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, scopes));
            }

            if (pattern.EndsWith("/export", StringComparison.Ordinal))
            {
                // The content, besides.
                able = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, [.. scopes, Policies.ReadJobs]));
            }

            // What is streamed for as long as its reader stays is only asked for by who is refused.
            if (!pattern.StartsWith("/hubs", StringComparison.Ordinal))
            {
                var answer = await IsRefusedAsync(able, method, pattern);
                if (answer is null or Unauthorized or Forbidden or TooManyRequests or >= InternalServerError)
                {
                    closed.Add($"{method} {pattern} {answer}");
                }
            }

            foreach (var scope in scopes)
            {
                if (!but.TryGetValue(scope, out var lacking))
                {
                    but[scope] = lacking = api.Client(
                        await api.AddKeyAsync(ApiKeyStore.DefaultTenant, [.. Policies.Scopes.Where(each => each != scope)])
                    );
                }

                var answer = await IsRefusedAsync(lacking, method, pattern);
                Assert.True(answer is null, $"{method} {pattern} without {scope} answered {answer}.");
                tried++;
            }
        }

        Assert.Empty(closed);
        Assert.True(tried > 120, $"{tried} calls were tried.");
        Assert.Equal(Policies.Scopes.Order(StringComparer.Ordinal), but.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_17_a_viewer_writes_nowhere_and_changes_no_session_but_his_own()
    {
        await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/users",
            """{"email":"v@matrix.example","role":"viewer","password":"a long password"}"""
        );
        var begun = await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/sessions",
            """{"email":"v@matrix.example","password":"a long password"}"""
        );
        using var viewer = api.Client(begun.Body.GetProperty("token").GetString());

        foreach (var (method, pattern, _) in Calls.Where(call => call.Method is not ("GET" or "HEAD")))
        {
            var call = $"{method} {pattern}";
            if (!OpenToReaders.Contains(call))
            {
                var answer = await IsRefusedAsync(viewer, method, pattern);
                Assert.True(answer is null, $"{call} answered a viewer {answer}.");
            }
        }
    }

    /// <returns>Null when the key lacks a scope; else the status.</returns>
    private static async Task<HttpStatusCode?> IsRefusedAsync(HttpClient client, string method, string pattern)
    {
        using var request = new HttpRequestMessage(
            new HttpMethod(method),
            ApiCalls.Fill(pattern, parameter => parameter.Contains("id", StringComparison.Ordinal) ? $"{Guid.Empty}" : "none")
        );
        request.Content = method is "GET" or "DELETE" ? null : new StringContent("{}", Encoding.UTF8, "application/json");
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        if (response.StatusCode is not HttpStatusCode.Forbidden)
        {
            return response.StatusCode;
        }

        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        return body.Contains("missing_scope", StringComparison.Ordinal) ? null : response.StatusCode;
    }

    /// <summary>Rows of everything that a tenant can make.</summary>
    private async Task<long> CountAsync()
    {
        await using var command = api.Db.Source.CreateCommand(
            """
            SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM files) + (SELECT count(*) FROM batches) + (SELECT count(*) FROM prompts)
                 + (SELECT count(*) FROM tools) + (SELECT count(*) FROM conversations) + (SELECT count(*) FROM webhook_endpoints)
                 + (SELECT count(*) FROM budgets) + (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM users) + (SELECT count(*) FROM controls)
            """
        );
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
