using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Upgrade;

/// <summary>Processes of one version and the version before work side by side on one schema, under load, in both directions.</summary>
[Trait("Category", "Long")]
public sealed class UpgradeTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task I_22_F_45_two_versions_run_side_by_side_and_every_job_ends_once()
    {
        await using var previous = await PreviousVersion.BuildAsync();
        await using var database = await postgres.CreateEmptyDatabaseAsync();
        var folder = TestFolder.Create("upgrade");
        var run = new Run(
            database,
            redis,
            simulator,
            await simulator.ModelAsync(new { words = 20, interval_ms = 10 }),
            Path.Combine(folder, "key")
        );
        var submitted = new List<string>();

        // The version before on its own schema; then the new schema under its load; then both; then the new one; then the old one again,
        // as after a roll back.
        await run.ToEndAsync(previous.Program("AiBackend.Worker"), "migrate");
        await using var oldApi = await run.StartApiAsync(previous.Program("AiBackend.Api"));
        await using var oldWorker = await run.StartAsync(previous.Program("AiBackend.Worker"));
        await SubmitAsync(submitted, 50, oldApi);
        var migrating = run.ToEndAsync(Current("AiBackend.Worker"), "migrate");
        await SubmitAsync(submitted, 100, oldApi);
        await migrating;
        await using var newApi = await run.StartApiAsync(Current("AiBackend.Api"));
        await using var newWorker = await run.StartAsync(Current("AiBackend.Worker"));
        await SubmitAsync(submitted, 200, oldApi, newApi);
        Assert.Equal(0, await oldWorker.StopAsync());
        await SubmitAsync(submitted, 50, newApi, oldApi);
        await using var oldAgain = await run.StartAsync(previous.Program("AiBackend.Worker"));
        Assert.Equal(0, await newWorker.StopAsync());
        await SubmitAsync(submitted, 50, newApi, oldApi);

        await Eventually.TrueAsync(
            async _ => await run.ScalarAsync("SELECT count(*) FROM jobs WHERE status < 6") == 0,
            "every job has ended",
            Patience
        );
        Assert.Equal(submitted.Count, await run.ScalarAsync("SELECT count(*) FROM jobs WHERE status = 6"));
        Assert.Equal(submitted.Count, await run.ScalarAsync("SELECT count(*) FROM job_events WHERE kind = 7"));
        Assert.Equal(
            0,
            await run.ScalarAsync("SELECT count(*) FROM jobs j WHERE last_seq <> (SELECT count(*) FROM job_events e WHERE e.job_id = j.id)")
        );
        Assert.Equal(0, await run.ScalarAsync("SELECT count(*) FROM job_attempts WHERE outcome = 6"));
        // Each version reads what the other wrote.
        foreach (var id in submitted)
        {
            Assert.Equal(await oldApi.ReadOutputAsync(id), await newApi.ReadOutputAsync(id));
        }

        TestFolder.Remove(folder);
    }

    private static string Current(string project) => Repository.Full($"{project}/bin/Debug/net10.0/{project}.dll");

    private static async Task SubmitAsync(List<string> submitted, int count, params RunningProgram[] apis)
    {
        for (var i = 0; i < count; i++)
        {
            submitted.Add(await apis[i % apis.Length].SubmitAsync());
        }
    }

    /// <summary>What the processes of a run share.</summary>
    private sealed class Run(TestDatabase database, RedisServer redis, SimulatorServer simulator, string model, string keyFile)
    {
        private Dictionary<string, string?> Variables() =>
            new(ProviderHost.Entries([simulator.Address], _ => model), StringComparer.Ordinal)
            {
                ["DOTNET_ENVIRONMENT"] = "Development",
                ["ASPNETCORE_ENVIRONMENT"] = "Development",
                ["ConnectionStrings__aibackend"] = database.ConnectionString,
                ["ConnectionStrings__redis"] = redis.ConnectionString,
                ["AIBACKEND_DEV_KEY_FILE"] = keyFile,
            };

        public async Task ToEndAsync(string program, string argument)
        {
            using var process = await ChildProcess.StartAsync(TestRun.Require("dotnet"), [program, argument], environment: Variables());
            await process.WaitForExitAsync(TestRun.Cancel);
            Assert.True(process.ExitCode == 0, process.Output);
        }

        public async Task<RunningProgram> StartAsync(string program, params string[] arguments) =>
            new(await ChildProcess.StartAsync(TestRun.Require("dotnet"), [program, .. arguments], environment: Variables()), null);

        public async Task<RunningProgram> StartApiAsync(string program)
        {
            var address = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort.Next()}"));
            var api = await StartAsync(program, $"--urls={address}");
            var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = address };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
                "Bearer",
                (await File.ReadAllTextAsync(keyFile, TestRun.Cancel)).Trim()
            );
            await Eventually.TrueAsync(
                async token => (await http.GetAsync("/health/ready", token)).StatusCode == HttpStatusCode.OK,
                "the Api is ready",
                Patience
            );
            return api with { Http = http };
        }

        public async Task<long> ScalarAsync(string sql)
        {
#pragma warning disable CA2100 // Constants of the test.
            await using var command = database.Source.CreateCommand(sql);
#pragma warning restore CA2100
            return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
        }
    }

    private sealed record RunningProgram(ChildProcess Process, HttpClient? Http) : IAsyncDisposable
    {
        public async Task<string> SubmitAsync()
        {
            using var body = new StringContent(
                """{"type":"chat","input":{"messages":[{"role":"user","content":"Hello"}]}}""",
                Encoding.UTF8,
                "application/json"
            );
            using var answer = await Http!.PostAsync("/api/v1/jobs", body, TestRun.Cancel);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            return (await answer.Content.ReadFromJsonAsync<System.Text.Json.JsonElement>(TestRun.Cancel)).GetProperty("id").GetString()!;
        }

        public async Task<string> ReadOutputAsync(string id)
        {
            var job = await Http!.GetFromJsonAsync<System.Text.Json.JsonElement>($"/api/v1/jobs/{id}", TestRun.Cancel);
            return job.GetProperty("output").GetProperty("text").GetString()!;
        }

        public async Task<int> StopAsync()
        {
            Process.Signal(Signal.Terminate);
            await Process.WaitForExitAsync(TestRun.Cancel);
            return Process.ExitCode;
        }

        public async ValueTask DisposeAsync()
        {
            Http?.Dispose();
            if (!Process.HasExited)
            {
                await StopAsync();
            }

            Process.Dispose();
        }
    }
}
