using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Tests.Money;

/// <summary>Calls on their way through the ledger, without a provider.</summary>
internal static class Spending
{
    /// <summary>A dollar for a million output tokens: tokens are millionths of dollars.</summary>
    private static readonly Price Price = new("p0", "m", 1, DateTimeOffset.UnixEpoch, new PriceRates(0, 0, 1, 1)) { SetBy = "test" };

    public static ChatDeployment Deployment { get; } = new("p0", "m", Simulated: true, new ScriptedChatClient());

    public static CallLedger NewLedger(this CoreHost core, TimeProvider? clock = null) =>
        new(
            core.HotPath,
            core.Get<IStorageWatch>(),
            Options.Create(new AdmissionOptions()),
            clock ?? TimeProvider.System,
            NullLogger<CallLedger>.Instance
        );

    /// <summary>As a worker has it.</summary>
    public static CallGate NewGate(this CoreHost core, CallLedger ledger, PriceBook prices, TimeProvider? clock = null) =>
        new(ledger, prices, new TokenEstimates(), Options.Create(new AdmissionOptions()), clock ?? TimeProvider.System);

    /// <summary>Submits and claims a job that spends.</summary>
    public static async Task<ClaimedJob> SpenderAsync(this CoreHost core, JobDraft? draft = null) =>
        (await core.ClaimAsync(await core.SubmitAsync(draft))).Job;

    public static Reservation Call(this ClaimedJob job, decimal usd, int call = 0) =>
        new(
            Deployment,
            new ChatCaller(job.Lease.JobId, job.Lease.Epoch, 1)
            {
                Call = call,
                Payer = new CallPayer(job.TenantId, job.KeyId, job.Feature, job.EndUser, job.MaxCostUsd),
            },
            0,
            (long)(usd * 1_000_000),
            Price
        )
        {
            MaxOutput = (long)(usd * 1_000_000),
        };

    /// <summary>The call, or another one of the same work, as part of a run.</summary>
    public static Reservation OfRun(this Reservation reservation, CallRun run, int call = 0, decimal? usd = null) =>
        reservation with
        {
            Caller = reservation.Caller with { Call = call, Payer = reservation.Caller.Payer! with { Run = run } },
            Output = usd is { } dollars ? (long)(dollars * 1_000_000) : reservation.Output,
            MaxOutput = usd is { } most ? (long)(most * 1_000_000) : reservation.MaxOutput,
        };

    public static Settlement Used(this Reservation call, decimal usd) =>
        Settlement.Of(call, default, new JobUsage(0, 0, (long)(usd * 1_000_000), null), isFree: false);

    public static Settlement UsedUnknown(this Reservation call) => Settlement.Of(call, default, null, isFree: false);

    public static async Task<Budget> BudgetAsync(
        this CoreHost core,
        decimal limit,
        BudgetScope scope = BudgetScope.Tenant,
        string subject = "",
        BudgetPeriod period = BudgetPeriod.Day,
        bool hard = true
    ) =>
        (
            await new BudgetStore(core.Database, core.Database).AddAsync(
                new Budget
                {
                    Id = Guid.CreateVersion7(),
                    TenantId = ApiKeyStore.DefaultTenant,
                    Scope = scope,
                    Subject = subject,
                    Period = period,
                    LimitUsd = limit,
                    Hard = hard,
                    Thresholds = [80, 100],
                },
                "key",
                TestRun.Cancel
            )
        )!;

    public static async Task<Budget> ReadAsync(this CoreHost core, Budget budget) =>
        Assert.Single(await new BudgetStore(core.Database, core.Database).ListAsync(budget.TenantId, budget.Id, TestRun.Cancel));

    /// <summary>The leader has seen that there is a new budget: who was refused before that is asked once more.</summary>
    public static Task LookedAtAsync(this CoreHost core) =>
        Eventually.TrueAsync(
            async _ => await core.ScalarAsync<int>("SELECT count(*) FROM budgets WHERE raised") == 0,
            "the leader has looked at the new budget"
        );

    public static Task UntilAsync(this CoreHost core, Budget budget, decimal settled, decimal reserved) =>
        Eventually.TrueAsync(
            async _ => await core.ReadAsync(budget) is var now && (now.SettledUsd, now.ReservedUsd) == (settled, reserved),
            $"{settled} are settled and {reserved} reserved"
        );

    /// <summary>State and cost of a job's calls, in order.</summary>
    public static async Task<IReadOnlyList<(CallState State, decimal? Cost)>> CallsAsync(this CoreHost core, Guid jobId)
    {
        await using var command = core.Database.CreateCommand(
            "SELECT state, cost_usd FROM provider_calls WHERE job_id = @id ORDER BY lease_epoch, call"
        );
        command.Parameters.AddWithValue("id", jobId);
        await using var reader = await command.ExecuteReaderAsync(TestRun.Cancel);
        var calls = new List<(CallState, decimal?)>();
        while (await reader.ReadAsync(TestRun.Cancel))
        {
            calls.Add(Read(reader));
        }

        return calls;
    }

    private static (CallState, decimal?) Read(NpgsqlDataReader row) =>
        ((CallState)row.GetInt16(0), row.IsDBNull(1) ? null : row.GetDecimal(1));
}
