using AiBackend.Core.Conversations;

namespace AiBackend.Tests.Conversations;

/// <summary>What of a conversation a model is told, within a budget.</summary>
public sealed class ContextAssemblyTests
{
    [Fact]
    public void The_oldest_messages_go_first_and_history_begins_with_a_question()
    {
        // 40 tokens each.
        var context = ContextAssembly.Assemble(Sources(300, history: Turns(5)));

        Assert.True(context.Fits);
        // 10 for the input: 290 have room for 7, of which the first would be an answer.
        Assert.Equal([5, 6, 7, 8, 9, 10], context.History.Select(message => message.Seq));
        Assert.Equal(4, context.Report.DroppedMessages);
        Assert.Equal([("history", 240, 290), ("input", 10, 300)], context.Report.Parts.Select(part => (part.Name, part.Tokens, part.Cap)));
    }

    [Fact]
    public void Instructions_and_input_are_never_cut_and_do_not_fit_when_they_alone_are_too_large()
    {
        var tight = ContextAssembly.Assemble(Sources(100, new string('i', 4 * 90), history: Turns(3)));
        var over = ContextAssembly.Assemble(Sources(100, new string('i', 4 * 91), history: Turns(3)));

        Assert.True(tight.Fits);
        Assert.Equal(["system", "input"], tight.Report.Parts.Select(part => part.Name));
        Assert.Equal(360, Assert.Single(tight.Instructions).Length);
        Assert.False(over.Fits);
    }

    [Fact]
    public void Profile_summary_and_passages_keep_to_their_caps_and_yield_to_what_must_be_there()
    {
        var sources = Sources(800, "be brief") with { Retrieved = new string('r', 4 * 100) };
        sources = sources with
        {
            Head = sources.Head with { Profile = new string('é', 4_000), Summary = new string('s', 4_000), SummaryUpTo = 6, LastSeq = 10 },
            History = [.. Turns(5).Skip(6)],
        };

        var context = ContextAssembly.Assemble(sources);
        var none = ContextAssembly.Assemble(sources with { MaxTokens = 20 });

        Assert.Equal(["system", "profile", "retrieved", "summary", "history", "input"], context.Report.Parts.Select(part => part.Name));
        Assert.All(context.Report.Parts, part => Assert.InRange(part.Tokens, 1, part.Cap));
        Assert.Equal((100, 100, 100), (Cap("profile"), context.Report.Parts[2].Tokens, Cap("summary")));
        Assert.True(context.Report.Parts.Sum(part => part.Tokens) <= 800);
        Assert.Equal((0, 4), (context.Report.DroppedMessages, context.History.Count));
        Assert.True(none.Fits);
        Assert.Equal(["be brief", new string('r', 20)], none.Instructions);

        int Cap(string name) => context.Report.Parts.Single(part => part.Name == name).Cap;
    }

    [Fact]
    public void A_budget_is_never_passed_whatever_the_texts_are()
    {
        var random = new Random(28);
        for (var i = 0; i < 2_000; i++)
        {
            var sources = Sources(random.Next(1, 400), Text(random), [.. Turns(random.Next(0, 12)).Skip(random.Next(0, 3))]) with
            {
                Retrieved = Text(random),
                Input = Text(random)!,
            };
            sources = sources with { Head = sources.Head with { Profile = Text(random), Summary = Text(random) } };

            var context = ContextAssembly.Assemble(sources);

            var size =
                context.Instructions.Sum(ContextSize.Of) + context.History.Sum(message => message.Tokens) + ContextSize.Of(sources.Input);
            Assert.True(!context.Fits || size <= sources.MaxTokens, $"{size} > {sources.MaxTokens}");
            Assert.Equal(context.Fits, ContextSize.Of(sources.Input) + ContextSize.Of(sources.Head.Instructions) <= sources.MaxTokens);
            Assert.True(context.History is [] or [{ Role: "user" }, ..]);
            Assert.All(context.Instructions, text => Assert.DoesNotContain('\uFFFD', text));
        }
    }

    private static string? Text(Random random) =>
        random.Next(4) == 0 ? "" : string.Concat(Enumerable.Repeat(random.Next(2) == 0 ? "word " : "\U0001F600é漢", random.Next(0, 120)));

    private static List<PastMessage> Turns(int count) =>
        [
            .. Enumerable
                .Range(1, count * 2)
                .Select(seq => new PastMessage(seq, seq % 2 == 1 ? "user" : "assistant", new string('m', 160), 40)),
        ];

    private static ContextSources Sources(int maxTokens, string? instructions = null, IReadOnlyList<PastMessage>? history = null) =>
        new()
        {
            MaxTokens = maxTokens,
            Head = new ConversationHead(instructions, null, null, 0, history is [.., { Seq: var last }] ? last : 0),
            History = history ?? [],
            Input = new string('q', 40),
        };
}
