using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Files;

/// <summary>Workers that die around the end of a job whose answer becomes a file.</summary>
public sealed class ArtifactCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Table = "a,b\n1,2\n";

    private const string Artifacts = "SELECT count(*) FROM files WHERE purpose = 'artifact'";

    // Files that no job has made which completed, and pieces of no file.
    private const string Orphans = """
        SELECT (SELECT count(*) FROM files f WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE artifact_of(j.id) = f.id AND j.status = 6))
             + (SELECT count(*) FROM file_chunks c WHERE NOT EXISTS (SELECT 1 FROM files f WHERE coalesce(f.content_id, f.id) = c.file_id))
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly RedisServer _redis = redis;

    // The answer is there and neither job nor file is stored; both are, and the queue was not told, so that the job is offered again.
    [Theory]
    [InlineData("K11", 0)]
    [InlineData("K12", 1)]
    public async Task There_is_a_file_if_and_only_if_there_is_an_outcome_whoever_dies_between_answer_and_acknowledgement(
        string point,
        int files
    )
    {
        var model = await simulator.ModelAsync(new { text = Table, words = (int?)null });
        var terms = new JobTerms { Artifact = new ArtifactTerms("report", ArtifactTypes.Csv) };
        var id = await Core.SubmitAsync(
            CoreHost.Draft() with
            {
                Model = model,
                Terms = terms.ToColumn(),
                InputVersion = terms.Version,
                WritesArtifact = true,
            }
        );
        using (var dying = await StartAsync(model, ("AIBACKEND_FAULT", $"{point}[{model}]:kill")))
        {
            await dying.WaitForExitAsync().WaitAsync(Patience, TestRun.Cancel);
            Assert.True(dying.ExitCode is not 0 and not 134, $"{dying.ExitCode}: {dying.Output}");
        }

        Assert.Equal(files == 1 ? JobStatus.Completed : JobStatus.Processing, await Core.StatusAsync(id));
        Assert.Equal(files, await Core.ScalarAsync<int>(Artifacts));
        Assert.Equal(0, await Core.ScalarAsync<int>(Orphans));
        await Core.BuryAsync();

        var other = CoreHost.Draft() with { Model = model };
        using (await StartAsync(model))
        {
            await Eventually.TrueAsync(async _ => await Core.StatusAsync(id) == JobStatus.Completed, "the job is done", Patience);
            // What the dead worker had not acknowledged was before this one.
            await Core.SubmitAsync(other);
            await Eventually.TrueAsync(async _ => await Core.StatusAsync(other.Id) == JobStatus.Completed, "a later one is done", Patience);
        }

        var artifact = Assert.Single((await Core.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!.Artifacts!);
        Assert.Equal((1, 0), (await Core.ScalarAsync<int>(Artifacts), await Core.ScalarAsync<int>(Orphans)));
        Assert.Equal(
            Table,
            await Core.ScalarAsync<string>(
                "SELECT convert_from(string_agg(content, ''::bytea ORDER BY n), 'UTF8') FROM file_chunks WHERE file_id = @id",
                artifact.File
            )
        );
        Assert.Equal(1 - files, await Core.ScalarAsync<int>("SELECT crash_count FROM jobs WHERE id = @id", id));
    }

    private Task<WorkerProcess> StartAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(Db, _redis, (simulator.Address, model), [.. WorkerProcess.ShortLeases, .. settings]);
}
