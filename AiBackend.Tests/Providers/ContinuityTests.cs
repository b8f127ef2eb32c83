using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using Microsoft.Extensions.AI;
using static AiBackend.Tests.Providers.Wire;

namespace AiBackend.Tests.Providers;

/// <summary>F-25: what becomes of an answer that breaks off after text. It is begun anew or continued, and readers are always told.</summary>
public sealed class ContinuityTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private const string Whole = "word1 word2 word3 word4 word5 word6 word7 word8 word9";

    public static TheoryData<string, string> Breaks =>
        new()
        {
            { """{"words":9,"cut_after_tokens":3}""", "provider_unavailable" },
            { """{"words":9,"hang_after_tokens":3}""", "provider_timeout" },
            { """{"malformed":"no_finish"}""", "provider_protocol_error" },
            { """{"malformed":"error_event"}""", "provider_unavailable" },
        };

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task F_25_an_answer_that_breaks_off_is_begun_anew_by_the_next_provider(string behaviour, string code)
    {
        var bad = await ModelAsync(behaviour);
        var good = await simulator.ModelAsync(new { words = 2 });
        using var providers = new ProviderHost([
            .. Entries("restart", bad, good),
            // Of the first alone: whoever answers has the time that a slow machine needs.
            .. behaviour.Contains("hang", StringComparison.Ordinal)
                ? (KeyValuePair<string, string?>[])[new("AIBACKEND_PROVIDERS__0__IDLE_TIMEOUT_SECONDS", "0.5")]
                : [],
        ]);

        var progress = await providers.StreamAsync().ReadAllAsync();

        var (before, after) = Parts<ChatProgress.Restarted>(progress);
        Assert.NotEmpty(before.Text());
        Assert.Equal(["FailedOver", "CallStarted"], before.TakeLast(2).Select(step => step.GetType().Name));
        Assert.Equal(["Text", "Text", "Finished"], after.Select(step => step.GetType().Name));
        Assert.Equal("word1 word2", after.Text());
        var told = Assert.Single(progress.OfType<ChatProgress.Restarted>());
        Assert.Equal(("p0", "p1", code), (told.From, told.To, told.Failure.Code));
        Assert.Equal(1, Assert.IsType<ChatProgress.Finished>(progress[^1]).ServedBy.Fallbacks);
        await simulator.EndedCallAsync(bad);
    }

    [Fact]
    public async Task F_25_text_stays_until_there_is_other_text()
    {
        var cut = await ModelAsync("""{"words":9,"cut_after_tokens":3}""");
        var down = await ModelAsync("""{"error_rate":1,"error_status":503}""");
        using var providers = Of("restart", cut, down);

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal("provider_unavailable", failure.Code);
        Assert.Equal("word1 word2 word3 ", progress.Text());
        Assert.DoesNotContain(progress, step => step is ChatProgress.Restarted or ChatProgress.Continued);
    }

    [Fact]
    public async Task An_answer_without_text_after_one_that_broke_off_takes_its_text_away()
    {
        var cut = await ModelAsync("""{"words":9,"cut_after_tokens":3}""");
        await using var silent = new RawProvider(RawReply.Stream(Begun(OpenAi) + End(OpenAi, "content_filter")));
        using var providers = new ProviderHost(ProviderHost.Entries([simulator.Address, silent.Address], index => index == 0 ? cut : "m"));

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(["Restarted", "Finished"], progress.TakeLast(2).Select(step => step.GetType().Name));
    }

    [Fact]
    public async Task F_25_with_restart_and_nobody_else_the_attempt_ends()
    {
        var cut = await ModelAsync("""{"words":9,"cut_after_tokens":3}""");
        using var providers = Of("restart", cut);

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal(("provider_unavailable", "word1 word2 word3 "), (failure.Code, progress.Text()));
        Assert.Single(await simulator.CallsAsync(cut, TestRun.Cancel));
    }

    [Fact]
    public async Task F_25_with_prefill_the_same_provider_goes_on_where_it_was()
    {
        var model = await ModelAsync("""{"words":9,"cut_after_tokens":3,"break_every":2,"prefill":"continue"}""");
        using var providers = Of("prefill", model);

        var progress = await providers.StreamAsync(options: new ChatOptions { MaxOutputTokens = 50 }).ReadAllAsync();

        var (before, after) = Parts<ChatProgress.Continued>(progress);
        Assert.Equal("word1 word2 word3 ", before.Text());
        Assert.Equal(Whole, progress.Text());
        Assert.Equal("word4 word5 word6 word7 word8 word9", after.Text());
        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        var last = calls[^1].GetProperty("messages")[1];
        Assert.Equal(("assistant", "word1 word2 word3"), (last.GetProperty("role").GetString(), last.GetProperty("content").GetString()));
        Assert.Equal([50, 46], calls.Select(call => call.GetProperty("max_tokens").GetInt32()));
    }

    [Fact]
    public async Task F_25_with_prefill_another_provider_of_the_same_model_goes_on_and_of_another_model_begins_anew()
    {
        var model = await ModelAsync("""{"words":9,"cut_after_tokens":3,"prefill":"continue"}""");
        var other = await simulator.ModelAsync(new { words = 9, prefill = "continue" });
        // What follows the beginning that it is given.
        await using var elsewhere = new RawProvider(RawReply.Stream(Answer(OpenAi, " the", " end")));
        using var same = new ProviderHost([
            .. ProviderHost.Entries([simulator.Address, elsewhere.Address], _ => model),
            new("AIBACKEND_PROVIDERS__1__CONTINUITY", "prefill"),
        ]);
        using var different = Of("prefill", model, other);

        var joined = await same.StreamAsync().ReadAllAsync();
        var apart = await different.StreamAsync().ReadAllAsync();

        Assert.Equal("word1 word2 word3 the end", joined.Text());
        Assert.Single(joined.OfType<ChatProgress.Continued>());
        Assert.Equal(2, Assert.Single(elsewhere.Requests).Json.GetProperty("messages").GetArrayLength());
        // Asked again itself, it was cut again.
        Assert.Equal(["p0", "p0", "p1"], apart.OfType<ChatProgress.CallStarted>().Select(call => call.Provider));
        Assert.Equal("word1 word2 word3 word4 word5 ", Parts<ChatProgress.Restarted>(apart).Before.Text());
        Assert.Equal(Whole, Parts<ChatProgress.Restarted>(apart).After.Text());
    }

    [Fact]
    public async Task A_model_that_refuses_the_beginning_of_an_answer_is_no_fault_of_the_callers()
    {
        var model = await ModelAsync("""{"words":9,"cut_after_tokens":3,"prefill":"refuse"}""");
        var good = await simulator.ModelAsync(new { words = 2 });
        using var two = Of("prefill", model, good);
        using var one = Of("prefill", model);

        var progress = await two.StreamAsync().ReadAllAsync();
        var failure = await Failure.OfAsync(one.StreamAsync());

        Assert.Equal("word1 word2", Parts<ChatProgress.Restarted>(progress).After.Text());
        Assert.Equal(("provider_unavailable", true), (failure.Code, failure.Retryable));
    }

    [Fact]
    public async Task A_conversation_that_ends_with_an_answer_is_never_continued()
    {
        var model = await ModelAsync("""{"words":9,"cut_after_tokens":3}""");
        using var providers = Of("prefill", model);
        IReadOnlyList<ChatMessage> conversation = [new(ChatRole.User, "Say it"), new(ChatRole.Assistant, "It is")];

        var (progress, _) = await Failure.WithProgressAsync(providers.Chat.StreamAsync("default", conversation, null, TestRun.Cancel));

        Assert.Equal("word1 word2 word3 ", Parts<ChatProgress.Restarted>(progress).After.Text());
        Assert.Equal(
            [2, 2],
            (await simulator.CallsAsync(model, TestRun.Cancel)).Select(call => call.GetProperty("messages").GetArrayLength())
        );
    }

    [Fact]
    public async Task Anthropics_models_are_given_the_beginning_without_white_space_at_its_end()
    {
        await using var provider = new RawProvider(RawReply.Cut(Begun(Wire.Anthropic, "Once upon", " a time \n")));
        using var providers = ProviderHost.OfKind(Wire.Anthropic, provider.Address, ("CONTINUITY", "prefill"));

        await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal(2, provider.Requests.Count);
        var last = provider.Requests[1].Json.GetProperty("messages")[1];
        Assert.Equal(("assistant", "Once upon a time"), (last.GetProperty("role").GetString(), last.GetProperty("content").GetString()));
    }

    [Theory]
    [InlineData(" ", "next", " next")]
    [InlineData(" ", " next", " next")]
    [InlineData("\n\n", "\n| |\nnext", "\n\n \nnext")]
    [InlineData("\n", "| ", "\n ")]
    [InlineData(" ", "\nnext", " \nnext")]
    [InlineData("", " next", " next")]
    public void White_space_that_was_kept_back_is_not_said_twice(string space, string pieces, string joined)
    {
        var answer = new PartialAnswer(ProviderHost.Question, null);
        answer.Append("Once" + space);
        answer.For(
            new ChatDeployment("p", "m", false, new ScriptedChatClient()),
            new ProviderCut("p", "p", new ProviderFailure.Unknown(""), Continues: true)
        );

        var said = string.Concat(pieces.Split('|').Select(piece => answer.Take(piece, isContinued: true)));

        Assert.Equal("Once" + joined, "Once" + space + said);
    }

    private static (List<ChatProgress> Before, List<ChatProgress> After) Parts<TMark>(List<ChatProgress> progress)
    {
        var at = progress.FindIndex(step => step is TMark);
        Assert.True(at >= 0, $"There is no {typeof(TMark).Name}: {string.Join(", ", progress)}");
        return (progress[..at], progress[(at + 1)..]);
    }

    private ProviderHost Of(string continuity, params string[] models) => new(Entries(continuity, models));

    private IEnumerable<KeyValuePair<string, string?>> Entries(string continuity, params string[] models) =>
        [
            .. ProviderHost.Entries(models.Select(_ => simulator.Address), index => models[index]),
            new("AIBACKEND_PROVIDERS__DEFAULTS__CONTINUITY", continuity),
        ];

    private Task<string> ModelAsync(string behaviour) => simulator.ModelAsync(System.Text.Json.Nodes.JsonNode.Parse(behaviour)!);
}
