using AiBackend.Core.Admission;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Admission;

// All limits of a window, as three workers use them.
public sealed partial class CallWindowTests
{
    // At the same time, each at a deployment of its own: they wait for their windows and not for each other.
    [Fact]
    public Task P_14_three_workers_together_never_pass_a_limit_in_any_window_and_come_close_to_it() =>
        Task.WhenAll(
            ComeCloseAsync("tokens_per_minute", 200),
            ComeCloseAsync("requests_per_minute", 40),
            ComeCloseAsync("input_tokens_per_minute", 100),
            ComeCloseAsync("output_tokens_per_minute", 200)
        );

    private async Task ComeCloseAsync(string limit, long allowed)
    {
        var limits = new ProviderLimits
        {
            TokensPerMinute = limit == "tokens_per_minute" ? allowed : null,
            RequestsPerMinute = limit == "requests_per_minute" ? allowed : null,
            InputTokensPerMinute = limit == "input_tokens_per_minute" ? allowed : null,
            OutputTokensPerMinute = limit == "output_tokens_per_minute" ? allowed : null,
        };
        var admitted = new List<(long Slot, long Counted)>();
        var workers = Enumerable.Range(0, 3).Select(_ => NewWindows()).ToList();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        // Not reached: the time is over with the last window, which begins when the first call has been let through.
        over.CancelAfter(TimeSpan.FromMinutes(1));

        await Task.WhenAll(workers.SelectMany(worker => Enumerable.Range(0, 4).Select(caller => AskAsync(worker, caller))));

        foreach (var worker in workers)
        {
            await worker.DisposeAsync();
        }

        // By Postgres' own time: a window is 120 slots long and touches 121 of them at most.
        var most = admitted.Max(call =>
            admitted.Where(other => other.Slot >= call.Slot && other.Slot <= call.Slot + 120).Sum(other => other.Counted)
        );
        Assert.InRange(most, 1, allowed);
        // Of the four windows after the first, which begins with a whole one at once.
        var from = admitted.Min(call => call.Slot) + 120;
        Assert.InRange(
            admitted.Where(call => call.Slot >= from && call.Slot < from + 480).Sum(call => call.Counted),
            allowed * 4 * 0.7,
            allowed * 4.05
        );

        async Task AskAsync(CallLedger windows, int caller)
        {
            var random = new Random(caller);
            while (!over.IsCancellationRequested)
            {
                var (input, output) = (random.Next(1, 5), random.Next(1, 10));
                var answer = await windows.ReserveAsync(Ask(limits, input, output, hasTurn: true, model: limit), TestRun.Cancel);
                if (answer.Slot is { } slot)
                {
                    lock (admitted)
                    {
                        admitted.Add((slot, CountedOf(input, output)));
                        if (slot > admitted[0].Slot + 600)
                        {
                            over.Cancel();
                        }
                    }
                }
                else
                {
                    Assert.Equal(limit, answer.BlockedBy);
                    await Task.Delay(answer.Delay, TestRun.Cancel);
                }
            }
        }

        long CountedOf(int input, int output) =>
            limit switch
            {
                "requests_per_minute" => 1,
                "input_tokens_per_minute" => input,
                "output_tokens_per_minute" => output,
                _ => input + output,
            };
    }
}
