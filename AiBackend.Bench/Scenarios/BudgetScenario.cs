using System.Text.Json;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>budget</c>: 64 jobs at once, each of which may cost ten cents, against a budget of a dollar: exactly ten run, by the provider's own log.</summary>
internal static class BudgetScenario
{
    private const int Jobs = 64;
    private const string Model = "sim-budget";

    private const string Body =
        $$$"""{"type":"chat","model":"{{{Model}}}","input":{"messages":[{"role":"user","content":"Go on."}],"max_output_tokens":100}}""";

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var settings = new StackSettings(Workers: 3, WorkerStopped: true)
        {
            WorkerVariables = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["Money__Prices__0__Provider"] = "simulator",
                ["Money__Prices__0__Model"] = Model,
                ["Money__Prices__0__Input"] = "0",
                // The hundred tokens that every job asks for are ten cents.
                ["Money__Prices__0__Output"] = "1000",
            },
        };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        await stack.TeachAsync(Model, words: 100, intervalMs: 20, cancellationToken);
        await SetBudgetAsync(stack, cancellationToken);
        await Backlog.QueueAsync(stack, Jobs, Body, cancellationToken);
        await stack.StartWorkerAsync(cancellationToken);
        await stack.WaitUntilAsync(
            "SELECT count(*) FROM jobs WHERE status = 6 OR status = 5 AND waiting_reason = 'budget:global:total'",
            Jobs,
            TimeSpan.FromMinutes(2),
            cancellationToken
        );

        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = stack.Simulator };
        using var log = JsonDocument.Parse(await http.GetStringAsync($"/sim/calls?model={Model}", cancellationToken));
        return
        [
            new("aibackend", "calls the provider saw", "calls", log.RootElement.GetProperty("data").GetArrayLength())
            {
                AtLeast = 10,
                AtMost = 10,
            },
            new("goal", "calls the provider saw", "calls", 10),
            new(
                "aibackend",
                "jobs that wait",
                "jobs",
                await stack.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 5", cancellationToken)
            ),
            new("goal", "jobs that wait", "jobs", Jobs - 10),
            new(
                "aibackend",
                "spent",
                "US dollars",
                (double)await stack.ScalarAsync<decimal>("SELECT settled_usd + reserved_usd FROM budgets", cancellationToken)
            )
            {
                AtMost = 1,
            },
            new("goal", "spent", "US dollars", 1),
        ];
    }

    private static async Task SetBudgetAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        using var connection = await RawConnection.OpenAsync(stack.Api, cancellationToken);
        const string Budget = """{"scope":"global","window":"total","limit_usd":1}""";
        var (status, _) = await connection.SendAsync(Requests.Post(stack.Api, "/api/v1/budgets", stack.Key, Budget), cancellationToken);
        if (status != 201)
        {
            throw new InvalidOperationException(FormattableString.Invariant($"The budget was refused with {status}."));
        }
    }
}
