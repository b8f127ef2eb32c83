using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Api;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Knowledge;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>The workflows of docs/workflows: the Api takes them, and they do what their page says.</summary>
public sealed class ExampleWorkflowTests(ApiServer api, PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : WorkflowCalls(api),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Question = """{"question":"What about the pump?","collection":"manuals"}""";

    [Fact]
    public async Task Each_is_taken_by_the_api_and_named_by_the_page()
    {
        var page = await File.ReadAllTextAsync(Repository.Full("docs/workflows.md"), TestRun.Cancel);
        var files = Directory.GetFiles(Repository.Full("docs/workflows"), "*.json");

        Assert.Equal(4, files.Length);
        foreach (var file in files)
        {
            var name = Path.GetFileNameWithoutExtension(file);
            Assert.Equal(HttpStatusCode.Created, (await PutAsync(Name(), await ReadAsync(name))).Status);
            Assert.Contains($"workflows/{name}.json", page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Documents_are_read_each_by_a_job_and_listed()
    {
        await using var worker = await StartAsync(new { json = "valid", words = (int?)null });

        var output = await RunAsync(worker, "extract-documents", """{"documents":["ACME asks for 3 EUR","Globex asks for 4 EUR"]}""");

        Assert.Equal(2, output.GetProperty("invoices").GetArrayLength());
        Assert.Equal("EUR", output.GetProperty("invoices")[0].GetProperty("currency").GetString());
    }

    [Fact]
    public async Task Documents_that_cannot_be_read_are_named_and_spoil_none_of_the_others()
    {
        await using var worker = await StartAsync(
            new
            {
                json = "valid",
                words = (int?)null,
                context_tokens = 1_000,
            }
        );
        // Longer than the model can read, and first and last as well as in the middle.
        var unreadable = string.Join(' ', Enumerable.Repeat("scrawl", 3_000));
        string[] documents = [unreadable, "ACME asks for 3 EUR", unreadable, "Globex asks for 4 EUR", unreadable];
        var input = JsonSerializer.Serialize(new { documents });

        var run = await worker.RunJobAsync(RunDraft.Of(await ReadAsync("extract-documents"), input));

        Assert.True(run.Status == "partially_completed", $"{run.Status}: {run.Error?.Message}");
        var missing = Assert.Single(run.Output!.Missing);
        Assert.Matches("^extract: 0: The input is longer than the model can [^;]*; 2: The input is [^;]*; 4: The input is [^;]*$", missing);
        var invoices = JsonElement.Parse(run.Output.Text).GetProperty("invoices").EnumerateArray().ToList();
        Assert.Equal(
            [JsonValueKind.Null, JsonValueKind.Object, JsonValueKind.Null, JsonValueKind.Object, JsonValueKind.Null],
            invoices.Select(invoice => invoice.ValueKind)
        );
        Assert.Equal("EUR", invoices[3].GetProperty("currency").GetString());
        // What its sender alone can mend is tried once.
        Assert.Equal(
            5,
            await worker.ScalarAsync<int>("SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE j.type = 1")
        );
    }

    [Fact]
    public async Task Research_searches_first_and_quotes_what_it_found()
    {
        await using var worker = await StartAsync(
            new
            {
                tools = "first",
                tool_arguments = """{"collection":"manuals","query":"pump"}""",
                text = """{"answer":"It is red.","quotations":["The pump is red"]}""",
                words = (int?)null,
            }
        );

        var output = await RunAsync(worker, "research", Question);

        Assert.Equal("The pump is red", output.GetProperty("quotations")[0].GetString());
        Assert.Equal(
            1L,
            await worker.ScalarAsync<long>("SELECT count(*) FROM job_tool_calls WHERE tool = 'search_knowledge' AND state = 3")
        );
    }

    [Fact]
    public async Task An_answer_s_passages_are_readable_while_it_waits_in_a_full_queue()
    {
        await using var worker = await StartAsync(
            new { hang_after_tokens = 1, words = 5 },
            ("Worker:MaxConcurrentJobs", "2"),
            ("Worker:InlineSeconds", "30")
        );
        // More than there are slots, and each as urgent as the run.
        for (var other = 0; other < 6; other++)
        {
            await worker.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Interactive });
        }

        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 2") == 2,
            "all slots are taken"
        );
        var run = RunDraft.Of(await ReadAsync("answer-question"), Question, null, new PinnedTool("search_knowledge", 0)) with
        {
            Priority = JobPriority.Interactive,
        };
        await worker.SubmitAsync(run);
        var steps = worker.Get<RunStepStore>();

        await Eventually.TrueAsync(
            async _ => (await steps.ShowAsync(ApiKeyStore.DefaultTenant, run.Id, null, 100, TestRun.Cancel)).Count == 2,
            "the answer is asked for",
            TimeSpan.FromSeconds(60)
        );

        var shown = await steps.ShowAsync(ApiKeyStore.DefaultTenant, run.Id, null, 100, TestRun.Cancel);
        var found = Assert.Single(shown, step => step.Name == "find");
        Assert.Equal((RunStepStatuses.Succeeded, null), (found.Status, found.JobId));
        Assert.Contains("The pump is red", found.Output!.Value.GetRawText(), StringComparison.Ordinal);
        var answer = Assert.Single(shown, step => step.Name == "answer");
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE id = @id AND status = 1", answer.JobId!.Value) == 1,
            "the answer waits in line",
            TimeSpan.FromSeconds(60)
        );
        // Behind whatever is urgent, and the only job of the run.
        Assert.Equal(
            (short)JobPriority.Standard,
            await worker.ScalarAsync<short>("SELECT priority FROM jobs WHERE id = @id", answer.JobId)
        );
        Assert.Equal(8L, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task Only_remarks_that_a_person_lets_pass_reach_the_comment()
    {
        await using var worker = await StartAsync(new { json = "valid", words = (int?)null });
        var run = RunDraft.Of(await ReadAsync("review-code"), """{"files":[{"path":"a.cs","diff":"+ x"},{"path":"b.cs","diff":"+ y"}]}""");
        await worker.SubmitAsync(run);
        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM job_waits WHERE answered_at IS NULL") == 1,
            "a person is asked"
        );

        var gate = await worker.ScalarAsync<Guid>("SELECT job_id FROM job_waits");
        await worker
            .Get<AnswerWait>()
            .ReviewAcceptsAsync(
                new(ApiKeyStore.DefaultTenant, gate, 1),
                """[{"remarks":[{"line":2,"text":"Only this"}]}]""",
                null,
                TestRun.Cancel
            );

        await worker.UntilAsync(async () => await worker.StatusAsync(run.Id) == JobStatus.Completed, "the run ends");
        var output = JsonElement.Parse((await worker.Reads.FindAsync(run.Id, TestRun.Cancel))!.Output!.Text);
        Assert.Equal("Only this", output.GetProperty("remarks")[0].GetProperty("remarks")[0].GetProperty("text").GetString());
        Assert.Contains(
            "Only this",
            await worker.ScalarAsync<string>("SELECT p.input FROM job_payloads p WHERE p.title = 'comment'"),
            StringComparison.Ordinal
        );
    }

    private static async Task<JsonElement> RunAsync(CoreHost worker, string example, string input)
    {
        var run = await worker.RunJobAsync(RunDraft.Of(await ReadAsync(example), input, null, new PinnedTool("search_knowledge", 0)));
        Assert.True(run.Status == "completed", $"{run.Status}: {run.Error?.Message}");
        return JsonElement.Parse(run.Output!.Text);
    }

    private static Task<string> ReadAsync(string example) =>
        File.ReadAllTextAsync(Repository.Full($"docs/workflows/{example}.json"), TestRun.Cancel);

    private async Task<CoreHost> StartAsync(object behaviour, params (string, string)[] settings)
    {
        var worker = await WorkerUnderTest.StartAsync(
            await postgres.CreateDatabaseAsync(),
            redis,
            [(simulator.Address, await simulator.ModelAsync(behaviour))],
            settings
        );
        await worker.AddPassageAsync("manuals", "handbook", "The pump is red");
        return worker;
    }
}
