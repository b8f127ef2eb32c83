using System.Diagnostics;
using System.Globalization;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;
using AiBackend.Core.Conversations;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Tenancy;
using Microsoft.Extensions.Options;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>conversation</c>: how long a job's turn takes to begin in a thread of 200 messages: one round trip, and what of it the model is told.
/// Then in a thread with everything a model may be told: with a profile, a summary, and passages that are looked up, which is one round trip more.</summary>
internal static class ConversationScenario
{
    private const int Messages = 200;
    private const int WarmUp = 500;
    private const int Turns = 5_000;
    private const int MaxTokens = 10_000;
    private const int Documents = 1_000;
    private const string User = "bench";
    private const string Collection = "bench";
    private const string Question = "Why does lamp 17 blink?";

    private static readonly Guid Tenant = ApiKeyStore.DefaultTenant;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(WorkerStopped: true), cancellationToken);
        var store = new KnowledgeStore(stack.Database, Options.Create(new KnowledgeOptions()));
        var bare = await BeginAsync(stack, user: null, cancellationToken);
        var whole = await BeginAsync(stack, User, cancellationToken);
        await AddRestAsync(stack, store, whole, cancellationToken);
        await stack.AnalyzeAsync(cancellationToken);

        var first = await MeasureAsync(stack, bare, passages: null, cancellationToken);
        var second = await MeasureAsync(stack, whole, store, cancellationToken);
        return
        [
            .. Judged(first.All.Describe("aibackend", "a turn begins")),
            .. first.Assembly.Describe("aibackend", "assembly without its query"),
            .. Judged(second.All.Describe("aibackend", "the same with profile, summary and passages")),
            .. second.LookUp.Describe("aibackend", "of which passages are looked up"),
            .. second.Assembly.Describe("aibackend", "assembly of all without its queries"),
            .. first.Floor.Concat(second.Floor).Describe("SELECT 1", "round trip"),
        ];
    }

    private static IEnumerable<Measurement> Judged(IEnumerable<Measurement> described)
    {
        var all = described.ToList();
        return [all[0], all[1] with { AtMost = 5 }];
    }

    private static async Task<Guid> BeginAsync(BenchStack stack, string? user, CancellationToken cancellationToken)
    {
        var id = Guid.CreateVersion7();
        // 100 tokens each: half of the thread has room.
        var thread = Enumerable
            .Range(0, Messages)
            .Select(i => new NewMessage { Role = i % 2 == 0 ? "user" : "assistant", Content = new string('x', 400) });
        var request = new NewConversation
        {
            Instructions = "Be brief.",
            User = user,
            Messages = [.. thread],
        };
        await new ConversationStore(stack.Database).AddAsync(Tenant, id, request, "bench", cancellationToken);
        return id;
    }

    /// <summary>A profile and a summary that are cut at their caps, and as many texts as passages are found among.</summary>
    private static async Task AddRestAsync(BenchStack stack, KnowledgeStore store, Guid id, CancellationToken cancellationToken)
    {
        await new ProfileStore(stack.Database).PutAsync(Tenant, User, new string('p', 8_000), "bench", cancellationToken);
        await using (var summary = stack.Database.CreateCommand("UPDATE conversations SET summary = $2, summary_upto = 80 WHERE id = $1"))
        {
            summary.Parameters.Add(new() { Value = id });
            summary.Parameters.Add(new() { Value = new string('s', 8_000) });
            await summary.ExecuteNonQueryAsync(cancellationToken);
        }

        for (var i = 0; i < Documents; i++)
        {
            var lamp = i.ToString(CultureInfo.InvariantCulture);
            var text =
                $"The lamp {lamp} blinks when its filter is full. {string.Concat(Enumerable.Repeat("Look at its filter, and at its switch. ", 20))}";
            var document = new KnowledgeRequest
            {
                Source = $"lamp-{lamp}.md",
                Title = $"Lamp {lamp}",
                Text = text,
            };
            await store.PutAsync(Tenant, Collection, document, TimeProvider.System.GetUtcNow(), cancellationToken);
        }
    }

    private static async Task<Samples> MeasureAsync(
        BenchStack stack,
        Guid conversation,
        KnowledgeStore? passages,
        CancellationToken cancellationToken
    )
    {
        var turns = new ConversationTurns(stack.Database, stack.HotPath, stack.Database);
        var samples = new Samples([], [], [], []);
        for (var i = -WarmUp; i < Turns; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await stack.ScalarAsync<int>("SELECT 1", cancellationToken);
            var asked = Stopwatch.GetTimestamp();
            // Another job each time, as in a conversation that goes on: the turn is taken, and committed.
            var entry = (TurnEntry.Begins)await turns.EnterAsync(Tenant, conversation, Guid.CreateVersion7(), MaxTokens, cancellationToken);
            var entered = Stopwatch.GetTimestamp();
            var found = passages is null
                ? []
                : await passages.SearchAsync(Tenant, Collection, new KnowledgeQuery { Query = Question }, cancellationToken);
            var read = Stopwatch.GetTimestamp();
            var context = ContextAssembly.Assemble(
                new ContextSources
                {
                    MaxTokens = MaxTokens,
                    Head = entry.Head,
                    Retrieved = passages is null ? null : string.Join("\n\n", found.Select(passage => passage.Text)),
                    History = entry.History,
                    Input = Question,
                }
            );
            var done = Stopwatch.GetTimestamp();
            // Instructions, history and input, and of the other thread three parts more: what lacks one is not what is measured.
            if (context.Report.Parts.Count != (passages is null ? 3 : 6))
            {
                throw new InvalidOperationException($"The model would be told {string.Join(", ", context.Report.Parts)}.");
            }

            if (i >= 0)
            {
                samples.Floor.Add(Stopwatch.GetElapsedTime(began, asked).TotalMilliseconds);
                samples.All.Add(Stopwatch.GetElapsedTime(asked, done).TotalMilliseconds);
                samples.LookUp.Add(Stopwatch.GetElapsedTime(entered, read).TotalMilliseconds);
                samples.Assembly.Add(Stopwatch.GetElapsedTime(read, done).TotalMilliseconds);
            }
        }

        return samples;
    }

    private sealed record Samples(List<double> All, List<double> LookUp, List<double> Assembly, List<double> Floor);
}
