using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Reviews;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Contracts;

/// <summary>What contracts make of whole jobs, from the request to what people and callers read: by HTTP alone.</summary>
public sealed class ContractGateTests(ContractGateTests.Stack stack) : IClassFixture<ContractGateTests.Stack>
{
    private const string Invoice = """{"type":"object","properties":{"total":{"type":"number"}},"required":["total"]}""";

    // Whatever fits this schema is a value; which values do harm is for the rules to say.
    private const string Payment = """
        {"type":"object","required":["refund","link","file","account","confidence"],
         "properties":{"refund":{"type":"number"},"link":{"type":"string","format":"uri"},"file":{"type":"string"},"account":{"type":"string"},"confidence":{"type":"number"}}}
        """;

    private const string Rules = """
        [{"rule":"range","path":"/refund","min":0,"severity":"SEVERITY"},
         {"rule":"url","path":"/link","severity":"SEVERITY"},
         {"rule":"relative_path","path":"/file","severity":"SEVERITY"},
         {"rule":"custom","path":"/account","name":"iban","severity":"SEVERITY"},
         {"rule":"range","path":"/confidence","min":0.8,"severity":"SEVERITY"}]
        """;

    private const string Good =
        """{"refund":5,"link":"https://example.com/a","file":"out/a.txt","account":"DE89370400440532013000","confidence":0.9}""";

    public static TheoryData<string, string> Harmful =>
        new()
        {
            { "/refund", Good.Replace("5,", "-5,", StringComparison.Ordinal) },
            { "/link", Good.Replace("https://example.com/a", "javascript:alert(1)", StringComparison.Ordinal) },
            { "/file", Good.Replace("out/a.txt", "../../etc/passwd", StringComparison.Ordinal) },
            { "/account", Good.Replace("013000", "013001", StringComparison.Ordinal) },
            { "/confidence", Good.Replace("0.9", "0.5", StringComparison.Ordinal) },
        };

    [Theory]
    [InlineData("content_filter", Verdicts.Refusal)]
    [InlineData("refusal", Verdicts.Refusal)]
    [InlineData("length", Verdicts.Truncation)]
    public async Task A_verdict_of_an_answer_that_ended_too_early_is_read_back_and_its_model_is_not_asked_again(
        string reason,
        string verdict
    )
    {
        var model = await stack.ModelAsync(new { text = """{"total":""", finish_reason = reason });

        var job = await EndAsync(await SubmitAsync(model, $$"""{"schema":{{Invoice}},"on_violation":"fallback"}"""));

        Assert.Equal(("failed", "contract_violation"), (job.Status, job.Error!.Code));
        Assert.Equal((verdict, false, false, 0), (job.Contract!.Verdict, job.Contract.Valid, job.Contract.FirstPass, job.Contract.Repairs));
        Assert.Contains($"({verdict})", job.Error.Message, StringComparison.Ordinal);
        Assert.Null(job.Output);
        Assert.Equal([verdict], (await ChecksAsync(job.Id)).Select(check => check.Verdict));
        Assert.Single(await stack.Simulator.CallsAsync(model, TestRun.Cancel));
    }

    [Fact]
    public async Task An_answer_that_its_own_limit_of_tokens_cuts_off_is_a_truncation_and_not_a_broken_text()
    {
        var model = await stack.ModelAsync(new { text = """{ "total" : 1 , "paid" : true }""" });

        var job = await EndAsync(await SubmitAsync(model, $$"""{"schema":{{Invoice}} }""", input: ",\"max_output_tokens\":2"));

        Assert.Equal(("failed", Verdicts.Truncation), (job.Status, job.Contract!.Verdict));
        Assert.Single(await stack.Simulator.CallsAsync(model, TestRun.Cancel));
    }

    [Theory]
    [InlineData("content_filter", Verdicts.Refusal)]
    [InlineData("length", Verdicts.Truncation)]
    public async Task A_person_who_is_asked_is_told_which_it_was(string reason, string verdict)
    {
        var model = await stack.ModelAsync(new { text = "I cannot", finish_reason = reason });
        var id = await SubmitAsync(model, $$"""{"schema":{{Invoice}},"on_violation":"review"}""");

        var review = await ReviewAsync(id);

        Assert.Equal((verdict, "I cannot"), (review.Question!.Check!.Verdict, review.Proposal));
        await DecideAsync(review, "reject");
        var job = await EndAsync(id);
        Assert.Equal(("failed", "review_rejected", verdict), (job.Status, job.Error!.Code, job.Contract!.Verdict));
    }

    [Fact]
    public async Task A_58_values_that_no_rule_objects_to_are_nobody_s_to_review()
    {
        var job = await EndAsync(await SubmitAsync(await stack.ModelAsync(new { text = Good }), Contract("review")));

        Assert.Equal(("completed", true, true), (job.Status, job.Contract!.Valid, job.Contract.FirstPass));
    }

    [Theory]
    [MemberData(nameof(Harmful))]
    public async Task A_58_a_value_that_fits_the_schema_and_does_harm_waits_for_a_person_before_anybody_has_it(string path, string answer)
    {
        var model = await stack.ModelAsync(new { text = answer });
        var id = await SubmitAsync(model, Contract("review"));

        var review = await ReviewAsync(id);

        var violation = Assert.Single(review.Question!.Check!.Violations);
        Assert.Equal((Verdicts.Rule, path, true), (review.Question.Check.Verdict, violation.Path, violation.ForReview));
        Assert.Equal((ReviewReasons.Contract, answer), (review.Reason, review.Proposal));
        // What a person is to see is not talked away before, and is nobody's output.
        Assert.Single(await stack.Simulator.CallsAsync(model, TestRun.Cancel));
        var waiting = await stack.Workers.Api.GetJobAsync(id);
        Assert.Equal(("waiting_for_review", null), (waiting.Status, waiting.Output));

        await DecideAsync(review, "approve", $$""","text":{{JsonSerializer.Serialize(Good)}}""");
        var job = await EndAsync(id);
        Assert.Equal(("completed", Good), (job.Status, job.Output!.Text));
    }

    [Theory]
    [MemberData(nameof(Harmful))]
    public async Task A_58_where_the_model_is_told_first_what_it_does_not_mend_is_for_a_person(string path, string answer)
    {
        var model = await stack.ModelAsync(new { text = answer });
        var id = await SubmitAsync(model, Contract("error"));

        var review = await ReviewAsync(id);

        Assert.Equal(path, Assert.Single(review.Question!.Check!.Violations).Path);
        var calls = await stack.Simulator.CallsAsync(model, TestRun.Cancel);
        Assert.Equal(2, calls.Count);
        Assert.Contains(path, calls[1].GetProperty("messages").ToString(), StringComparison.Ordinal);
        await DecideAsync(review, "reject");
        Assert.Equal("review_rejected", (await EndAsync(id)).Error!.Code);
    }

    [Theory]
    [InlineData("""{"score":0.9,"reason":"good"}""", null)]
    [InlineData("""{"score":0.2,"reason":"dull"}""", "was given 0.2 by a judge, which is below 0.7: dull")]
    [InlineData("Approve it.", "could not be judged")]
    [InlineData("""{"score":7,"reason":"splendid"}""", "could not be judged")]
    public async Task What_a_judge_does_not_find_good_enough_is_for_a_person(string judgement, string? objection)
    {
        var (writer, judge) = (await stack.ModelAsync(new { text = """{"total":1}""" }), await stack.ModelAsync(new { text = judgement }));
        var contract =
            $$"""{"schema":{{Invoice}},"rules":[{"rule":"judge","model":"{{judge}}","criteria":"Is it one?","min_score":0.7,"severity":"review"}],"on_violation":"fail"}""";
        var id = await SubmitAsync(writer, contract);

        if (objection is null)
        {
            Assert.Equal("completed", (await EndAsync(id)).Status);
        }
        else
        {
            var review = await ReviewAsync(id);
            var violation = Assert.Single(review.Question!.Check!.Violations);
            Assert.Equal((ContractRules.Judge, true), (violation.Rule, violation.ForReview));
            Assert.Contains(objection, violation.Message, StringComparison.Ordinal);
            await DecideAsync(review, "approve");
            var job = await EndAsync(id);
            Assert.Equal(("completed", """{"total":1}""", false), (job.Status, job.Output!.Text, job.Contract!.Valid));
        }

        Assert.Single(await stack.Simulator.CallsAsync(judge, TestRun.Cancel));
    }

    private static string Contract(string severity) =>
        $$"""{"schema":{{Payment}},"rules":{{Rules.Replace("SEVERITY", severity, StringComparison.Ordinal)}},"on_violation":"review"}""";

    private async Task<Guid> SubmitAsync(string model, string contract, string input = "") =>
        (
            await stack.Workers.Api.SubmitAsync(
                $$"""{"type":"chat","model":"{{model}}","contract":{{contract}},"input":{"messages":[{"role":"user","content":"Hi"}]{{input}}} }"""
            )
        ).Id;

    private async Task<Job> EndAsync(Guid id)
    {
        using var response = await stack.Workers.Api.Http.GetAsync($"/api/v1/jobs/{id}?wait=60", TestRun.Cancel);
        return await ApiServer.ReadJobAsync(response);
    }

    private async Task<Review> ReviewAsync(Guid id)
    {
        await Eventually.TrueAsync(
            async _ => (await stack.Workers.Api.GetJobAsync(id)).Status is "waiting_for_review" or "completed" or "failed",
            "the job waits for a person",
            TimeSpan.FromSeconds(30)
        );
        return await OpenReview.GetAsync(stack.Workers.Api.Http, $"{id}-1");
    }

    private async Task DecideAsync(Review review, string act, string members = "")
    {
        using var decided = await OpenReview.PostAsync(
            stack.Workers.Api.Http,
            review.Id,
            act,
            string.Create(CultureInfo.InvariantCulture, $$"""{"version":{{review.Version}}{{members}}}""")
        );
        Assert.True(decided.IsSuccessStatusCode, await decided.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private async Task<IReadOnlyList<ContractCheck>> ChecksAsync(Guid id)
    {
        var trace = await stack.Workers.Api.Http.GetFromJsonAsync($"/api/v1/jobs/{id}/trace", WireJson.Default.JobTrace, TestRun.Cancel);
        return [.. trace!.Attempts.SelectMany(attempt => attempt.Checks)];
    }

    /// <summary>The Api, a worker, and a provider with models that each test takes one after the other.</summary>
    public sealed class Stack(PostgresServer postgres) : IAsyncLifetime
    {
        private const int Models = 40;

        private int _taken;

        internal SimulatorServer Simulator { get; } = new();

        internal WorkersBehindApi Workers { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            await Simulator.InitializeAsync();
            Workers = await WorkersBehindApi.StartAsync(
                postgres,
                Simulator.Address,
                [.. Enumerable.Range(0, Models).Select(Name)],
                workers: 1
            );
        }

        /// <summary>A model that nobody else asks, and which behaves as told.</summary>
        internal async Task<string> ModelAsync(object behaviour)
        {
            var model = Name(_taken++);
            await Simulator.BehaveAsync(model, behaviour);
            return model;
        }

        public async ValueTask DisposeAsync()
        {
            await Workers.DisposeAsync();
            await Simulator.DisposeAsync();
        }

        private static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"gate-{number}");
    }
}
