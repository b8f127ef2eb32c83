using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Contracts;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Files;

/// <summary>Answers that become files: once, whoever dies, and only when they are of their type.</summary>
public sealed class ArtifactFilesTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Count = "SELECT count(*) FROM files WHERE purpose = 'artifact'";

    [Fact]
    public async Task The_file_is_there_with_the_end_of_its_job_and_of_two_workers_one_makes_it()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        var id = await core.SubmitAsync(Draft(ArtifactTypes.Text));
        using var first = await core.ClaimAsync(id);
        await core.ExpireLeaseAsync(id);
        await core.Get<RescueJobs>().RunAsync(TestRun.Cancel);
        using var second = await core.ClaimAsync(id);

        Assert.False(await first.EndAsync(AttemptEnd.Succeeded("too late")));
        Assert.Equal(0, await core.ScalarAsync<long>(Count));
        Assert.True(await second.EndAsync(AttemptEnd.Succeeded(new string('ä', 300_000))));

        var job = (await core.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!;
        var artifact = Assert.Single(job.Artifacts!);
        Assert.Equal(("report", 600_000), (artifact.Name, artifact.Bytes));
        Assert.Equal(1, await core.ScalarAsync<long>(Count));
        // In the pieces that readers expect, and of no room of the tenant's.
        Assert.Equal(
            "262144,262144,75712",
            await core.ScalarAsync<string>(
                "SELECT string_agg(length(content)::text, ',' ORDER BY n) FROM file_chunks WHERE file_id = @id",
                artifact.File
            )
        );
        Assert.Equal(0, await core.ScalarAsync<long>("SELECT count(*) FROM file_usage"));
        Assert.StartsWith(id.ToString()[..13], artifact.File.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_does_not_complete_makes_none()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        foreach (
            var end in (AttemptEnd[])
                [
                    AttemptEnd.Partial("half", "It was cut off."),
                    AttemptEnd.Cancelled("some"),
                    AttemptEnd.FailedForGood(new("x", "caller_error", "No.", Retryable: false)),
                    AttemptEnd.Succeeded(""),
                ]
        )
        {
            using var running = await core.ClaimAsync(await core.SubmitAsync(Draft(ArtifactTypes.Text)));
            Assert.True(await running.EndAsync(end));
        }

        Assert.Equal(0, await core.ScalarAsync<long>(Count));
    }

    [Fact]
    public async Task A_model_whose_answer_is_no_table_is_told_so_once_and_then_there_is_no_file()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(Wire.OpenAi, "Here it is:\na,b\n1,2\n")));
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (provider.Address, "m"));

        var job = await worker.RunJobAsync(Draft(ArtifactTypes.Csv));

        Assert.Equal(("failed", "contract_violation"), (job.Status, job.Error!.Code));
        Assert.Contains("no text/csv, so there is no file report: Row 2 has 2 fields", job.Error.Message, StringComparison.Ordinal);
        Assert.Equal((1, 2), (job.Attempt, provider.Requests.Count));
        Assert.Contains("Your answer is no CSV: Row 2 has 2 fields", provider.Requests[1].Body, StringComparison.Ordinal);
        Assert.Equal(0, await worker.ScalarAsync<long>(Count));
    }

    [Fact]
    public async Task A_fence_around_a_table_is_not_part_of_the_file()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(Wire.OpenAi, "```csv\na,b\n", "1,2\n```")));
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (provider.Address, "m"));

        var job = await worker.RunJobAsync(Draft(ArtifactTypes.Csv));
        job = (await worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, job.Id, TestRun.Cancel))!;

        Assert.Equal(("completed", "a,b\n1,2\n"), (job.Status, job.Output!.Text));
        Assert.Equal(8, Assert.Single(job.Artifacts!).Bytes);
    }

    [Theory]
    // As it is, mended without the model, and after a turn that names what is wrong.
    [InlineData("""{"total":3}""", """{"total":3}""", 1)]
    [InlineData("""Here: {"total":"3"}""", """{"total":3}""", 1)]
    [InlineData("""{"sum":3}""", null, 2)]
    public async Task A_file_of_JSON_keeps_the_contract_of_its_job_or_there_is_none(string answer, string? file, int calls)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(Wire.OpenAi, answer)));
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (provider.Address, "m"));
        var contract = Contract.OfSchema(
            """{"type":"object","required":["total"],"properties":{"total":{"type":"integer"}},"additionalProperties":false}"""
        );

        var job = await worker.RunJobAsync(Draft(ArtifactTypes.Json, contract));
        job = (await worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, job.Id, TestRun.Cancel))!;

        Assert.Equal((file is null ? "failed" : "completed", calls), (job.Status, provider.Requests.Count));
        Assert.Equal(
            file ?? "",
            await worker.ScalarAsync<string>(
                "SELECT coalesce(string_agg(convert_from(c.content, 'UTF8'), '' ORDER BY c.n), '') FROM files f JOIN file_chunks c ON c.file_id = f.id WHERE f.purpose = 'artifact'"
            )
        );
    }

    private static JobDraft Draft(string type, OutputContract? contract = null)
    {
        var terms = new JobTerms { Artifact = new ArtifactTerms("report", type), Contract = contract };
        return CoreHost.Draft() with { Terms = terms.ToColumn(), InputVersion = terms.Version, WritesArtifact = true };
    }
}
