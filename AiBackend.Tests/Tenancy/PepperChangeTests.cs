using System.Net;
using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Options;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>The secret that keys and sessions are hashed with is put out of use while both go on.</summary>
public sealed class PepperChangeTests(PostgresServer postgres) : IAsyncLifetime
{
    private const string Old = "the pepper of before, which is long enough";
    private const string New = "the pepper from now on, which is long too";

    private readonly ApiServer _old = new PepperedServer(postgres);

    public ValueTask InitializeAsync() => _old.InitializeAsync();

    public ValueTask DisposeAsync() => _old.DisposeAsync();

    [Fact]
    public async Task D_5_A_12_keys_and_sessions_outlive_a_change_of_the_pepper_server_by_server()
    {
        var (used, unused) = (_old.Key, await _old.AddKeyAsync(ApiKeyStore.DefaultTenant, "*"));
        var session = await SignInAsync();
        var tampered = used[..^1] + (used[^1] == 'a' ? 'b' : 'a');

        // The new one is made known everywhere first; nothing is hashed with it yet.
        await using (var prepared = await StartAsync(Old, New))
        {
            Assert.Equal(["OK", "OK", "OK", "Unauthorized"], await AskAsync(prepared, used, unused, session, tampered));
            Assert.Equal(2, await HashedWithAsync(Old, used, unused));
        }

        // Then it takes the place of the old one, while a server of before still runs.
        await using var before = await StartAsync(Old, New);
        await using (var changed = await StartAsync(New, Old))
        {
            Assert.Equal(["OK", "OK", "Unauthorized"], await AskAsync(changed, used, session, tampered));
            await Eventually.TrueAsync(async _ => await HashedWithAsync(New, used) == 1, "the key is hashed anew");
            Assert.Equal(["OK", "OK"], await AskAsync(before, used, session));
            await Eventually.TrueAsync(async _ => await HashedWithAsync(Old, used) == 1, "the server of before hashes it as it did");
            Assert.Equal(["OK", "OK"], await AskAsync(changed, used, session));
            var ended = await SignInAsync();
            Assert.Equal(["OK"], await AskAsync(changed, ended));
            using var client = ClientOf(changed, ended);
            Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync("/api/v1/sessions/current", TestRun.Cancel)).StatusCode);
            Assert.Equal(["Unauthorized"], await AskAsync(changed, ended));
        }

        await using (var last = await StartAsync(New, Old))
        {
            Assert.Equal(["OK", "OK"], await AskAsync(last, used, session));
            await Eventually.TrueAsync(async _ => await HashedWithAsync(New, used) == 1, "the key is hashed anew");
            await Eventually.TrueAsync(_ => IsSessionHashedWithAsync(New, session), "the session is hashed anew");
        }

        // And the old one is forgotten: what was used since goes on, what was not is over.
        await using var alone = await StartAsync(New, null);
        Assert.Equal(["OK", "OK", "Unauthorized", "Unauthorized"], await AskAsync(alone, used, session, unused, tampered));
    }

    [Fact]
    public async Task D_5_of_two_first_requests_of_a_session_after_the_change_both_are_let_in()
    {
        var session = await SignInAsync();
        await using var changed = await StartAsync(New, Old);
        await using var connection = await _old.Db.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var held = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using (var hold = new Npgsql.NpgsqlCommand("SELECT hash FROM sessions FOR UPDATE", connection, held))
        {
            await hold.ExecuteScalarAsync(TestRun.Cancel);
        }

        var both = Task.WhenAll(AskAsync(changed, session), AskAsync(changed, session));
        await using var blocked = _old.Db.Source.CreateCommand(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        );
        await Eventually.TrueAsync(
            async token => both.IsCompleted || (long)(await blocked.ExecuteScalarAsync(token))! >= 2,
            "both are answered, or wait for each other"
        );
        await held.RollbackAsync(TestRun.Cancel);

        Assert.Equal(["OK", "OK"], (await both).SelectMany(answer => answer));
        await Eventually.TrueAsync(_ => IsSessionHashedWithAsync(New, session), "the session is hashed anew");
    }

    [Fact]
    public async Task D_5_a_session_in_which_the_password_is_changed_outlives_it_whatever_it_was_hashed_with()
    {
        var (session, other) = (await SignInAsync(), await SignInAsync());
        await using var changed = await StartAsync(New, Old);
        var users = changed.Services.GetRequiredService<UserStore>();

        foreach (var user in await users.ListAsync(null, null, TestRun.Cancel))
        {
            await users.ChangeAsync(user, user, "another long password", session, TestRun.Cancel);
        }

        Assert.Equal(["OK", "Unauthorized"], await AskAsync(changed, session, other));
    }

    [Fact]
    public async Task D_5_A_3_a_ticket_of_a_server_with_the_pepper_of_before_opens_its_job()
    {
        var job = await _old.SubmitAsync();
        var ticket = (await SendAsync(_old.Http, HttpMethod.Post, $"/api/v1/jobs/{job.Id}/stream-tickets")).Body;
        await using var changed = await StartAsync(New, Old);
        using var client = new HttpClient(new SocketsHttpHandler(), disposeHandler: true) { BaseAddress = new Uri(changed.Urls.Single()) };

        using var answer = await client.GetAsync(
            ticket.GetProperty("url").GetString(),
            HttpCompletionOption.ResponseHeadersRead,
            TestRun.Cancel
        );

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task D_5_without_the_other_pepper_a_change_ends_every_key()
    {
        await using var changed = await StartAsync(New, null);

        Assert.Equal(["Unauthorized"], await AskAsync(changed, _old.Key));
        Assert.Equal(1, await HashedWithAsync(Old, _old.Key));
    }

    [Fact]
    public void A_71_another_pepper_that_is_too_short_stops_the_start()
    {
        var failure = Assert.Throws<OptionsValidationException>(() =>
            ApiServer.Create([
                ("ConnectionStrings:aibackend", "Host=127.0.0.1;Port=1"),
                ("ConnectionStrings:redis", "127.0.0.1:1"),
                ("Tenancy:OtherKeyPepper", "short"),
            ])
        );

        Assert.Contains("Tenancy:OtherKeyPepper has 5 characters", failure.Message, StringComparison.Ordinal);
    }

    private async Task<string> SignInAsync()
    {
        var email = $"{Guid.CreateVersion7():N}@pepper.example";
        await SendAsync(
            _old.Http,
            HttpMethod.Post,
            "/api/v1/users",
            $$"""{"email":"{{email}}","role":"viewer","password":"a long password"}"""
        );
        var begun = await SendAsync(
            _old.Http,
            HttpMethod.Post,
            "/api/v1/sessions",
            $$"""{"email":"{{email}}","password":"a long password"}"""
        );
        return begun.Body.GetProperty("token").GetString()!;
    }

    private async Task<WebApplication> StartAsync(string pepper, string? other)
    {
        var server = ApiServer.Create([
            ("ConnectionStrings:aibackend", _old.Db.ConnectionString),
            ("ConnectionStrings:redis", "127.0.0.1:9"),
            ("Tenancy:KeyPepper", pepper),
            .. other is null ? [] : ((string, string)[])[("Tenancy:OtherKeyPepper", other)],
        ]);
        await server.StartAsync(TestRun.Cancel);
        return server;
    }

    private static async Task<IReadOnlyList<string>> AskAsync(WebApplication server, params string[] keys)
    {
        var answers = new List<string>();
        foreach (var key in keys)
        {
            using var client = ClientOf(server, key);
            var path = key.StartsWith("aibs_", StringComparison.Ordinal) ? "/api/v1/sessions/current" : "/api/v1/jobs";
            using var response = await client.GetAsync(path, TestRun.Cancel);
            answers.Add(response.StatusCode.ToString());
        }

        return answers;
    }

    private static HttpClient ClientOf(WebApplication server, string key)
    {
        var client = new HttpClient(new SocketsHttpHandler(), disposeHandler: true) { BaseAddress = new Uri(server.Urls.Single()) };
        client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        return client;
    }

    /// <returns>How many of the keys are.</returns>
    private async Task<int> HashedWithAsync(string pepper, params string[] keys)
    {
        var count = 0;
        foreach (var key in keys.Select(text => ApiKey.TryParse(text)!))
        {
            await using var command = _old.Db.Source.CreateCommand("SELECT hash FROM api_keys WHERE key_id = $1");
            command.Parameters.AddWithValue(key.Id);
            var stored = (byte[])(await command.ExecuteScalarAsync(TestRun.Cancel))!;
            count += stored.AsSpan().SequenceEqual(key.Hash(Encoding.UTF8.GetBytes(pepper))) ? 1 : 0;
        }

        return count;
    }

    private async Task<bool> IsSessionHashedWithAsync(string pepper, string token)
    {
        await using var command = _old.Db.Source.CreateCommand("SELECT EXISTS (SELECT FROM sessions WHERE hash = $1)");
        command.Parameters.AddWithValue(HMACSHA256.HashData(Encoding.UTF8.GetBytes(pepper), Encoding.ASCII.GetBytes(token)));
        return (bool)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private sealed class PepperedServer(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings => [("Tenancy:KeyPepper", Old)];
    }
}
