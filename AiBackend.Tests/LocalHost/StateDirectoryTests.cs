using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Npgsql;

namespace AiBackend.Tests.LocalHost;

/// <summary>What is kept between runs, and who may have it.</summary>
public sealed class StateDirectoryTests
{
    [Fact]
    public async Task Two_hosts_cannot_share_a_state_directory()
    {
        var folder = LocalApp.CreateFolder();
        await using var first = new LocalApp(folder);
        first.AddScript("one", LocalApp.Idle);
        await first.StartAsync();
        await first.HealthyAsync("one");
        await using var second = new LocalApp(folder);

        var refusal = await Assert.ThrowsAsync<DistributedApplicationException>(second.StartAsync);

        Assert.Contains(first.StateDirectory, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("AIBACKEND_STATE_DIR", refusal.Message, StringComparison.Ordinal);
        Assert.NotNull(ProcessIdentity.Of(first.PidOf("one")));
    }

    [Fact]
    public async Task A_taken_port_is_named_with_the_variable_that_moves_it()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port;
        await using var app = new LocalApp();
        app.AddScript("api", LocalApp.Idle).WithHttpEndpoint(port);

        var refusal = await Assert.ThrowsAsync<DistributedApplicationException>(app.StartAsync);

        Assert.Contains($"Port {port}", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("AIBACKEND_API_PORT=", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Postgres_keeps_password_and_data_over_a_kill_and_a_new_run()
    {
        StackFixture.RequireServers();
        var folder = LocalApp.CreateFolder();
        await using (var first = new LocalApp(folder))
        {
            var database = first.Builder.AddPostgres("postgres").AddDatabase("shop");
            await first.StartAsync();
            await first.HealthyAsync("shop");
            await ExecuteAsync(await database.Resource.GetConnectionStringAsync(TestRun.Cancel), "CREATE TABLE kept AS SELECT 1 AS id");

            var killed = first.Processes.Kill("postgres");
            await first.Processes.WaitForRestartAsync("postgres", killed, cancellationToken: TestRun.Cancel);

            await ExecuteAsync(await database.Resource.GetConnectionStringAsync(TestRun.Cancel), "INSERT INTO kept VALUES (2)");
        }

        await using (var second = new LocalApp(folder))
        {
            var database = second.Builder.AddPostgres("postgres").AddDatabase("shop");
            await second.StartAsync();
            await second.HealthyAsync("shop");

            Assert.Equal(
                2L,
                await ExecuteAsync(await database.Resource.GetConnectionStringAsync(TestRun.Cancel), "SELECT count(*) FROM kept")
            );
        }

        TestFolder.Remove(folder);
    }

    [Fact]
    public async Task Postgres_starts_although_another_program_has_the_pid_of_a_killed_server()
    {
        StackFixture.RequireServers();
        var folder = LocalApp.CreateFolder();
        await using (var first = new LocalApp(folder))
        {
            first.Builder.AddPostgres("postgres");
            await first.StartAsync();
            await first.HealthyAsync("postgres");
        }

        // As root the server runs as postgres, and so must the program in its way.
        var way = Environment.IsPrivilegedProcess ? "postgres" : null;
        using var other = await ChildProcess.StartAsync("/bin/sleep", ["1000"], user: way);
        var lockFile = Path.Combine(folder, "state", "postgres", "postmaster.pid");
        await File.WriteAllTextAsync(lockFile, $"{other.Id}\n{Path.GetDirectoryName(lockFile)}\n", TestRun.Cancel);
        await ChildProcess.RunAsync("/bin/chown", ["--reference", Path.GetDirectoryName(lockFile)!, lockFile]);

        await using (var second = new LocalApp(folder))
        {
            second.Builder.AddPostgres("postgres");
            await second.StartAsync();
            await second.HealthyAsync("postgres");
            Assert.Equal(0, second.Processes.Of("postgres")[0].RestartCount);
        }

        TestFolder.Remove(folder);
    }

    [Fact]
    public async Task Postgres_is_durable_and_only_on_this_machine()
    {
        StackFixture.RequireServers();
        await using var app = new LocalApp();
        var database = app.Builder.AddPostgres("postgres").AddDatabase("shop");
        await app.StartAsync();
        await app.HealthyAsync("shop");
        var connection = await database.Resource.GetConnectionStringAsync(TestRun.Cancel);

        var settings = await ExecuteAsync(
            connection,
            "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'max_connections', 'unix_socket_directories')"
        );

        Assert.Equal(
            "fsync=on full_page_writes=on listen_addresses=127.0.0.1 max_connections=200 synchronous_commit=on unix_socket_directories=",
            settings
        );
        var wrong = new NpgsqlConnectionStringBuilder(connection) { Password = "wrong", Pooling = false };
        await Assert.ThrowsAsync<PostgresException>(() => ExecuteAsync(wrong.ConnectionString, "SELECT 1"));
    }

    [Fact]
    public async Task Postgres_runs_below_a_folder_that_only_root_may_enter()
    {
        StackFixture.RequireServers();
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root has folders of its own that postgres may not enter.");
        var closed = TestFolder.Create("closed");
        File.SetUnixFileMode(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string data;

        await using (var app = new LocalApp(closed))
        {
            app.Builder.AddPostgres("postgres").AddDatabase("shop");
            await app.StartAsync();
            await app.HealthyAsync("shop");
            data = (await File.ReadAllTextAsync(Path.Combine(app.StateDirectory, "postgres.location"), TestRun.Cancel)).Trim();
            Assert.Contains(app.Processes.LastLines("host"), l => l.Contains(data, StringComparison.Ordinal));
        }

        using (var state = StateDirectory.Open(Path.Combine(closed, "state")))
        {
            state.Delete();
        }

        Assert.False(Directory.Exists(data));
        TestFolder.Remove(closed);
    }

    [Fact]
    public async Task Passwords_and_status_can_be_read_by_their_owner_alone()
    {
        StackFixture.RequireServers();
        await using var app = new LocalApp();
        var redis = app.Builder.AddRedis("redis");
        await app.StartAsync();
        await app.HealthyAsync("redis");

        foreach (var name in (string[])["secrets.json", "redis.conf", "status.json"])
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(app.StateDirectory, name)));
        }

        Assert.Matches("^[A-Za-z0-9]{22}$", redis.Resource.Password);
        Assert.DoesNotContain(
            redis.Resource.Password,
            await File.ReadAllTextAsync($"/proc/{app.PidOf("redis")}/cmdline", TestRun.Cancel),
            StringComparison.Ordinal
        );
    }

    private static async Task<object?> ExecuteAsync(string? connectionString, string sql)
    {
        await using var source = NpgsqlDataSource.Create(connectionString!);
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(TestRun.Cancel);
    }
}
