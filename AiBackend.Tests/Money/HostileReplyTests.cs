using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

/// <summary>A-56: replies that say what cannot be, from the wire to the job and to the ledger. Another model's name has tests of its own.</summary>
public sealed class HostileReplyTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Model = "m";

    private static readonly string Long = new('x', 100_000);

    public static TheoryData<string> Kinds => Wire.Kinds;

    /// <summary>Protocol, why it says that it stopped (as JSON), and what callers are told.</summary>
    public static TheoryData<string, string, string?> Reasons =>
        new(
            from kind in (string[])[Wire.OpenAi, Wire.Anthropic]
            from reason in (IEnumerable<(string Said, string? Told)>)
                [
                    ("of_next_year", "of_next_year"),
                    ("", null),
                    ("length ", "unknown"),
                    ("<script>alert(1)</script>", "unknown"),
                    ("your secret is \\u0000 \\ud83d", "unknown"),
                    ("{long}", "unknown"),
                ]
            select (kind, reason.Said, reason.Told)
        );

    [Theory]
    [MemberData(nameof(Reasons))]
    public async Task A_56_a_reason_that_nobody_knows_takes_nothing_from_the_answer_and_is_told_as_a_word(
        string kind,
        string said,
        string? told
    )
    {
        var reply = Wire.Begun(kind, "Hello") + Wire.End(kind, said.Replace("{long}", Long, StringComparison.Ordinal));
        await using var provider = new RawProvider(RawReply.Stream(reply.Replace("m-2026", $"m-{Long}", StringComparison.Ordinal)));
        await using var worker = await StartAsync(provider, kind);

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("completed", "Hello", told), (job.Status, job.Output!.Text, job.Output.FinishReason));
        // The name that it gives its model is told, too, and no longer than a name.
        Assert.InRange(job.ServedBy!.ModelVersion!.Length, 100, 200);
        Assert.Equal(1, job.Attempt);
        var entry = Assert.Single(await SettledAsync(worker, job));
        Assert.Equal(("settled", 12, 5, false), (entry.State, entry.InputTokens, entry.OutputTokens, entry.UsageDisputed));
    }

    /// <summary>Protocol and the count that it bills.</summary>
    public static TheoryData<string, string> Counts =>
        new(
            from kind in (string[])[Wire.OpenAi, Wire.Anthropic]
            from count in (string[])["-5", "9000000000000000000", "1e300", "\"5\""]
            select (kind, count)
        );

    [Theory]
    [MemberData(nameof(Counts))]
    public async Task A_56_a_usage_that_cannot_be_true_costs_what_was_set_aside_and_is_disputed(string kind, string count)
    {
        var member = kind is Wire.OpenAi ? "\"completion_tokens\":" : "\"usage\":{\"output_tokens\":";
        var reply = Wire.Answer(kind, "Hello");
        Assert.Contains(member + "5", reply, StringComparison.Ordinal);
        await using var provider = new RawProvider(RawReply.Stream(reply.Replace(member + "5", member + count, StringComparison.Ordinal)));
        await using var worker = await StartAsync(provider, kind);
        var budget = await worker.BudgetAsync(1m);

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("completed", "Hello", (long?)null), (job.Status, job.Output!.Text, job.Usage?.OutputTokens));
        var entry = Assert.Single(await SettledAsync(worker, job));
        Assert.True(entry.UsageDisputed);
        Assert.Equal(("unknown_spend", (long?)null, (long?)null), (entry.State, entry.InputTokens, entry.OutputTokens));
        // Neither nothing nor a fortune.
        var booked = await Eventually.GetAsync(
            _ => worker.ReadAsync(budget),
            now => now is { ReservedUsd: 0, SettledUsd: > 0 },
            "what was likely is booked"
        );
        Assert.InRange(booked.SettledUsd, 0.000001m, 0.1m);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_56_a_reply_that_claims_to_be_for_somebody_else_is_of_the_one_who_asked(string kind)
    {
        var other = Guid.CreateVersion7();
        var claims = $$"""
            "model":"m-2026","tenant":"{{other}}","tenant_id":"{{other}}","organization":"{{other}}","user":"{{other}}","key_id":"{{other}}","job_id":"{{other}}","cost_usd":-5,"metadata":{"tenant_id":"{{other}}"}
            """.Trim();
        await using var provider = new RawProvider(
            RawReply.Stream(Wire.Answer(kind, "Hello").Replace("\"model\":\"m-2026\"", claims, StringComparison.Ordinal))
        );
        await using var worker = await StartAsync(provider, kind);
        await worker.ExecuteAsync("INSERT INTO tenants (id, slug) VALUES (@id, 'other')", other);

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("completed", "Hello"), (job.Status, job.Output!.Text));
        var entry = Assert.Single(await SettledAsync(worker, job));
        Assert.Equal(
            ("settled", 12, 5, (12 * 1m + 5 * 2m) / 1_000_000m),
            (entry.State, entry.InputTokens, entry.OutputTokens, entry.CostUsd)
        );
        Assert.Empty(await new LedgerReads(worker.Database).OfAsync(other, job.Id, TestRun.Cancel));
        foreach (var table in (string[])["jobs", "job_outputs", "job_events", "provider_calls", "usage_days"])
        {
            Assert.Equal(
                ApiKeyStore.DefaultTenant.ToString(),
                await worker.ScalarAsync<string>($"SELECT string_agg(DISTINCT tenant_id::text, ',') FROM {table}")
            );
        }
    }

    private async Task<CoreHost> StartAsync(RawProvider provider, string kind) =>
        await WorkerUnderTest.StartAsync(
            await postgres.CreateDatabaseAsync(),
            redis,
            [(provider.Address, Model)],
            [
                ("AIBACKEND_PROVIDERS:0:KIND", kind),
                ("Money:Prices:0:Provider", "p0"),
                ("Money:Prices:0:Model", Model),
                ("Money:Prices:0:Input", "1"),
                ("Money:Prices:0:Output", "2"),
            ]
        );

    private static Task<IReadOnlyList<LedgerEntry>> SettledAsync(CoreHost worker, Job job) =>
        Eventually.GetAsync(
            token => new LedgerReads(worker.Database).OfAsync(ApiKeyStore.DefaultTenant, job.Id, token),
            entries => entries.Count > 0 && entries.All(entry => entry.EndedAt is not null),
            "the call is settled"
        );
}
