using System.Text;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>What another version stored can be read: an older one through upcasters, a newer one as far as this one knows it.</summary>
public sealed class VersionTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    /// <summary>No version 0 was ever shipped: it stands for what version 1 will be to version 2.</summary>
    private static readonly StoredShapes WithAnOlderOne = new()
    {
        Inputs = new(1, new Dictionary<short, Func<string, string>> { [0] = old => $$"""{"messages":{{old}}}""" }),
        Outputs = new(1, new Dictionary<short, Func<StoredOutput, StoredOutput>> { [0] = old => old with { Text = old.Text.Trim('|') } }),
        Events = new(
            1,
            new Dictionary<short, Func<JobEventRecord, JobEventRecord>>
            {
                [0] = old =>
                    old with
                    {
                        Data = Encoding.UTF8.GetBytes(
                            Encoding.UTF8.GetString(old.Data.Span).Replace("\"t\"", "\"text\"", StringComparison.Ordinal)
                        ),
                    },
            }
        ),
    };

    [Fact]
    public async Task An_older_input_output_and_event_are_read_in_the_shape_of_today()
    {
        var id = await Core.SubmitAsync();
        await StoreInputAsync(id, version: 0, """[{"role":"user","content":"Hello"}]""");
        var store = new PostgresJobStore(Core.Database, Core.HotPath, Core.Rounds, WithAnOlderOne);

        var claimed = Assert.Single(
            (await store.ClaimAsync(Core.WorkerId, [id], CoreHost.Lease, JobDraft.DefaultPool, TestRun.Cancel)).Jobs
        );
        Assert.Equal("""{"messages":[{"role":"user","content":"Hello"}]}""", claimed.Input);

        using (var running = Core.Writes.Open(claimed))
        {
            await running.EndAsync(AttemptEnd.Succeeded(null));
        }

        await Core.ExecuteAsync(
            "INSERT INTO job_outputs (job_id, tenant_id, schema_version, text) SELECT id, tenant_id, 0, '|old|' FROM jobs WHERE id = @id",
            id
        );
        await Core.ExecuteAsync(
            "INSERT INTO job_events (job_id, seq, kind, tenant_id, data, schema_version) SELECT id, 90, 2, tenant_id, '{\"attempt\":1,\"t\":\"old\"}', 0 FROM jobs WHERE id = @id",
            id
        );
        Assert.Equal("old", (await new JobReads(Core.Database, Core.HotPath, WithAnOlderOne).FindAsync(id, TestRun.Cancel))!.Output!.Text);
        var page = await new JobEventLog(Core.Database, Core.Database, WithAnOlderOne).ReadAsync(
            ApiKeyStore.DefaultTenant,
            id,
            0,
            100,
            TestRun.Cancel
        );
        Assert.Equal("""{"attempt":1,"text":"old"}""", Encoding.UTF8.GetString(page.Events[^1].Data.Span));

        // Without the step it says what is missing instead of showing something wrong.
        var missing = await Assert.ThrowsAsync<InvalidOperationException>(() => Core.Reads.FindAsync(id, TestRun.Cancel));
        Assert.Contains("schema version 0", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_today_s_version_stores_says_so_and_is_read_unchanged()
    {
        var id = await Core.SubmitAsync();
        using (var running = await Core.ClaimAsync(id))
        {
            running.AppendText("text");
            await running.EndAsync(AttemptEnd.Succeeded("text"));
        }

        foreach (var table in new[] { "job_payloads", "job_outputs", "job_events" })
        {
            Assert.Equal(
                (table, 1, 1),
                (
                    table,
                    await Core.ScalarAsync<int>($"SELECT min(schema_version) FROM {table} WHERE job_id = @id", id),
                    await Core.ScalarAsync<int>($"SELECT max(schema_version) FROM {table} WHERE job_id = @id", id)
                )
            );
        }

        Assert.Equal("text", (await Core.Reads.FindAsync(id, TestRun.Cancel))!.Output!.Text);
    }

    [Fact]
    public async Task P_20_an_input_in_a_newer_shape_waits_for_a_worker_that_knows_it()
    {
        var id = await Core.SubmitAsync();
        await StoreInputAsync(id, version: JobSchema.Version + 1, "{}");

        Assert.Empty(await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id], CoreHost.Lease, TestRun.Cancel));

        Assert.Equal(JobStatus.Queued, await Core.StatusAsync(id));
    }

    [Fact]
    public void P_20_every_number_that_a_newer_version_may_store_has_a_name()
    {
        for (int number = short.MinValue; number <= short.MaxValue; number++)
        {
            Assert.NotEmpty(((JobStatus)number).ToWire());
            Assert.NotEmpty(((JobPriority)number).ToWire());
            Assert.NotEmpty(((JobType)number).ToWire());
            Assert.NotEmpty(((AttemptOutcome)number).ToWire());
            Assert.NotEmpty(((JobEventKind)number).ToWire());
            Assert.Equal(number >= 6, ((JobStatus)number).IsTerminal());
        }
    }

    [Fact]
    public async Task P_20_jobs_events_and_traces_with_values_of_a_newer_version_can_be_read()
    {
        var id = await Core.SubmitAsync();
        using (var running = await Core.ClaimAsync(id))
        {
            await running.EndAsync(AttemptEnd.FailedForNow(new("x", "class_of_tomorrow", "?", true), TimeSpan.FromHours(1)));
        }

        await Core.ExecuteAsync("UPDATE job_attempts SET outcome = 77 WHERE job_id = @id", id);
        await Core.ExecuteAsync("UPDATE job_events SET kind = 78, data = '{\"new\":1}' WHERE job_id = @id AND seq = 2", id);
        await Core.ExecuteAsync("UPDATE jobs SET status = 79, priority = 80, type = 81 WHERE id = @id", id);

        var job = await Core.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);
        Assert.Equal(("unknown", "unknown", "unknown"), (job!.Status, job.Priority, job.Type));
        Assert.Equal(
            "unknown",
            Assert.Single((await Core.Get<JobTraces>().FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!.Attempts).Outcome
        );
        Assert.Contains(await Core.EventsAsync(id), record => record.Kind.ToWire() == "unknown");
        Assert.Contains(
            await Core.Reads.ListAsync(ApiKeyStore.DefaultTenant, new JobFilter { Limit = 5 }, TestRun.Cancel),
            listed => listed.Id == id
        );
    }

    [Fact]
    public void P_20_members_that_a_newer_version_added_to_what_is_stored_are_passed_over()
    {
        var input = System.Text.Json.JsonSerializer.Deserialize(
            """{"messages":[{"role":"user","content":"Hello","new":[1]}],"new":{}}""",
            StoredJson.Lenient.ChatInput
        );

        Assert.Equal("Hello", Assert.Single(input!.Messages!).Content);
    }

    private async Task StoreInputAsync(Guid id, short version, string input)
    {
        await Core.ExecuteAsync("DELETE FROM job_payloads WHERE job_id = @id", id);
        await Core.ExecuteAsync(
            $"INSERT INTO job_payloads (job_id, tenant_id, schema_version, input) SELECT id, tenant_id, {version}, '{input}' FROM jobs WHERE id = @id",
            id
        );
    }
}
