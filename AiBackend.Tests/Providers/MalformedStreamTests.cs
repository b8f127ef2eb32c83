using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Simulator.Malformed;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>F-26: what is legal is read, what is not is named, and nothing is ever taken for a complete answer that is none.</summary>
public sealed class MalformedStreamTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    /// <summary>These fail like a provider that is away, not like one that speaks nonsense.</summary>
    private static readonly string[] Breaks = ["error_event", "named_error_event", "cut_in_event", "cut_before_event", "huge_error"];

    public static TheoryData<string> Legal => [.. MalformedCases.All.Where(each => each.Legal).Select(each => each.Name)];

    public static TheoryData<string> Illegal => [.. MalformedCases.All.Where(each => !each.Legal).Select(each => each.Name)];

    [Theory]
    [MemberData(nameof(Legal))]
    public async Task F_26_An_unusual_stream_is_read_in_full(string malformed)
    {
        var model = await simulator.ModelAsync(new { malformed });
        using var providers = ProviderHost.For(model, simulator.Address);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(WellFormed.Text, progress.Text());
        Assert.IsType<ChatProgress.Finished>(progress[^1]);
    }

    [Theory]
    [MemberData(nameof(Illegal))]
    public async Task F_26_A_wrong_stream_is_a_retryable_failure_with_a_name(string malformed)
    {
        var model = await simulator.ModelAsync(new { malformed });
        using var providers = ProviderHost.For(model, simulator.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());

        var expected = Breaks.Contains(malformed) ? ProviderFailureCodes.Unavailable : ProviderFailureCodes.ProtocolError;
        Assert.Equal((expected, "transient", true), (failure.Code, failure.Class, failure.Retryable));
    }

    [Fact]
    public void F_26_The_corpus_has_at_least_25_cases_of_both_kinds()
    {
        Assert.True(Legal.Count >= 25);
        Assert.True(Illegal.Count >= 15);
    }

    [Theory]
    [InlineData("no_usage")]
    [InlineData("null_usage")]
    [InlineData("negative_usage")]
    [InlineData("absurd_usage")]
    public async Task A_56_token_counts_that_cannot_be_true_are_unknown(string malformed)
    {
        var model = await simulator.ModelAsync(new { malformed });
        using var providers = ProviderHost.For(model, simulator.Address);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Null(Assert.IsType<ChatProgress.Finished>(progress[^1]).Usage);
    }

    [Theory]
    [InlineData("negative", true)]
    [InlineData("huge", true)]
    [InlineData("text", true)]
    [InlineData("null", false)]
    [InlineData("missing", false)]
    public async Task A_56_a_provider_that_lies_about_usage_is_not_believed_and_its_call_is_disputed(string usage, bool isDisputed)
    {
        var model = await simulator.ModelAsync(new { usage, words = 3 });
        using var providers = ProviderHost.For(model, simulator.Address);

        var calls = new ChatCalls(TimeProvider.System);

        var progress = await providers.Chat.StreamAsync("default", ProviderHost.Question, null, calls, TestRun.Cancel).ReadAllAsync();

        Assert.Equal("word1 word2 word3", progress.Text());
        Assert.Null(Assert.IsType<ChatProgress.Finished>(progress[^1]).Usage);
        Assert.Equal(isDisputed, Assert.Single(calls.All).IsUsageDisputed);
    }

    [Theory]
    [MemberData(nameof(Wire.Kinds), MemberType = typeof(Wire))]
    public async Task F_26_an_empty_reason_to_stop_is_none_and_what_is_cut_after_it_is_no_whole_answer(string kind)
    {
        var begun =
            kind is Wire.OpenAi
                ? Wire.Begun(kind, "x").Replace("\"delta\":", "\"finish_reason\":\"\",\"delta\":", StringComparison.Ordinal)
                : Wire.Begun(kind, "x") + Wire.Event("message_delta", """ "delta":{"stop_reason":""} """);
        Assert.Contains("reason\":\"\"", begun, StringComparison.Ordinal);
        await using var cut = new RawProvider(RawReply.Stream(begun));
        await using var whole = new RawProvider(RawReply.Stream(begun + Wire.End(kind)));
        using var providers = ProviderHost.OfKind(kind, cut.Address);
        using var others = ProviderHost.OfKind(kind, whole.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());
        var progress = await others.StreamAsync().ReadAllAsync();

        Assert.Equal(ProviderFailureCodes.ProtocolError, failure.Code);
        Assert.Equal("stop", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
    }

    [Fact]
    public async Task U_0000_which_Postgres_cannot_store_arrives_as_a_replacement_character()
    {
        var model = await simulator.ModelAsync(new { text = "a\0b" });
        using var providers = ProviderHost.For(model, simulator.Address);

        Assert.Equal("a\uFFFDb", (await providers.StreamAsync().ReadAllAsync()).Text());
    }
}
