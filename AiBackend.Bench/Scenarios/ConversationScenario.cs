using System.Diagnostics;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;
using AiBackend.Core.Conversations;
using AiBackend.Core.Tenancy;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>conversation</c>: how long a job's turn takes to begin in a thread of 200 messages: one round trip, and what of it the model is told.</summary>
internal static class ConversationScenario
{
    private const int Messages = 200;
    private const int WarmUp = 500;
    private const int Turns = 5_000;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(WorkerStopped: true), cancellationToken);
        var (tenant, id) = (ApiKeyStore.DefaultTenant, Guid.CreateVersion7());
        // 100 tokens each: half of the thread has room in 10 000.
        var thread = Enumerable
            .Range(0, Messages)
            .Select(i => new NewMessage { Role = i % 2 == 0 ? "user" : "assistant", Content = new string('x', 400) });
        var request = new NewConversation { Instructions = "Be brief.", Messages = [.. thread] };
        await new ConversationStore(stack.Database).AddAsync(tenant, id, request, "bench", cancellationToken);
        await stack.AnalyzeAsync(cancellationToken);

        var turns = new ConversationTurns(stack.Database, stack.HotPath, stack.Database);
        var (both, alone, floor) = (new List<double>(Turns), new List<double>(Turns), new List<double>(Turns));
        for (var i = -WarmUp; i < Turns; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await stack.ScalarAsync<int>("SELECT 1", cancellationToken);
            var asked = Stopwatch.GetTimestamp();
            // Another job each time, as in a conversation that goes on: the turn is taken, and committed.
            var job = Guid.CreateVersion7();
            var entry = (TurnEntry.Begins)await turns.EnterAsync(tenant, id, job, 10_000, cancellationToken);
            var read = Stopwatch.GetTimestamp();
            var context = ContextAssembly.Assemble(
                new ContextSources
                {
                    MaxTokens = 10_000,
                    Head = entry.Head,
                    History = entry.History,
                    Input = "And now?",
                }
            );
            var done = Stopwatch.GetTimestamp();
            if (i >= 0 && context.History.Count > 0)
            {
                floor.Add(Stopwatch.GetElapsedTime(began, asked).TotalMilliseconds);
                both.Add(Stopwatch.GetElapsedTime(asked, done).TotalMilliseconds);
                alone.Add(Stopwatch.GetElapsedTime(read, done).TotalMilliseconds);
            }
        }

        var all = both.Describe("aibackend", "a turn begins").ToList();
        return
        [
            all[0],
            all[1] with
            {
                AtMost = 5,
            },
            .. alone.Describe("aibackend", "assembly without its query"),
            .. floor.Describe("SELECT 1", "round trip"),
        ];
    }
}
