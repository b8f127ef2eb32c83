using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Tests.Providers;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Routing;

/// <summary>Which deployments of a route a call goes to, in which order, and why.</summary>
public sealed class TargetRuleTests
{
    private static readonly RouteNeeds Plain = new(InputTokens: 100, MaxOutputTokens: null, Level: 1, TimeLeft: null);

    [Fact]
    public void Targets_are_asked_in_their_order_where_their_conditions_hold()
    {
        var route = Route(
            ("urgent", new TargetRule(Levels: [0]), null),
            ("long", new TargetRule(InputTokensAbove: 1000), null),
            ("all", TargetRule.Always, null)
        );

        Assert.Equal(["all:"], Chosen(route, Plain));
        Assert.Equal(["urgent:", "all:"], Chosen(route, Plain with { Level = 0 }));
        Assert.Equal(["long:context_length", "all:"], Chosen(route, Plain with { InputTokens = 1001 }));
        Assert.Equal(["all:"], Chosen(route, Plain with { InputTokens = 1000 }));
    }

    [Fact]
    public void A_near_deadline_goes_to_the_faster_model_and_says_so()
    {
        var route = Route(("fast", new TargetRule(TimeLeftBelow: TimeSpan.FromSeconds(20)), null), ("good", TargetRule.Always, null));

        Assert.Equal(["good:"], Chosen(route, Plain));
        Assert.Equal(["good:"], Chosen(route, Plain with { TimeLeft = TimeSpan.FromSeconds(20) }));
        Assert.Equal(["fast:deadline", "good:"], Chosen(route, Plain with { TimeLeft = TimeSpan.FromSeconds(19) }));
    }

    [Fact]
    public void Under_pressure_a_call_that_is_moved_goes_to_the_faster_model_and_says_so_and_others_stay()
    {
        var route = Route(("fast", new TargetRule(UnderPressure: true), null), ("good", TargetRule.Always, null));

        Assert.Equal(["good:"], Chosen(route, Plain));
        Assert.Equal(["fast:pressure", "good:"], Chosen(route, Plain with { IsMoved = true }));
    }

    [Fact]
    public void A_prompt_that_does_not_fit_goes_to_the_model_with_the_longer_context_and_to_the_others_only_after_it()
    {
        var route = Route(("short", TargetRule.Always, 1000), ("shorter", TargetRule.Always, 500), ("long", TargetRule.Always, 100_000));

        Assert.Equal(["short:", "shorter:", "long:"], Chosen(route, Plain));
        Assert.Equal(["short:", "long:context_length", "shorter:"], Chosen(route, Plain with { InputTokens = 900 }));
        // The answer needs room too.
        Assert.Equal(["long:context_length", "short:", "shorter:"], Chosen(route, Plain with { InputTokens = 900, MaxOutputTokens = 101 }));
        // Nobody has room by the estimate: the provider has the last word, the roomiest first.
        Assert.Equal(["long:", "short:", "shorter:"], Chosen(route, Plain with { InputTokens = 200_000 }));
    }

    [Fact]
    public void An_upper_bound_sends_longer_prompts_on()
    {
        var route = Route(("cheap", new TargetRule(InputTokensAtMost: 1000), null), ("dear", TargetRule.Always, null));

        Assert.Equal(["cheap:", "dear:"], Chosen(route, Plain with { InputTokens = 1000 }));
        Assert.Equal(["dear:context_length"], Chosen(route, Plain with { InputTokens = 1001 }));
    }

    [Fact]
    public void A_call_with_tools_goes_to_whoever_does_not_say_that_it_has_none_and_to_the_others_last()
    {
        var route = new CatalogRoute([
            (Deployment("plain") with { Capabilities = ["json"] }, TargetRule.Always),
            (Deployment("unknown"), TargetRule.Always),
            (Deployment("able") with { Capabilities = ["json", "tools"] }, TargetRule.Always),
        ]);

        Assert.Equal(["plain:", "unknown:", "able:"], Chosen(route, Plain with { Uses = ["json"] }));
        Assert.Equal(["unknown:capability", "able:capability", "plain:"], Chosen(route, Plain with { Uses = ["json", "tools"] }));
    }

    [Fact]
    public void What_a_call_uses_is_told_from_its_options()
    {
        var tool = AIFunctionFactory.Create(() => "", "now");

        Assert.Empty(ModelCapabilities.Of(null));
        Assert.Empty(ModelCapabilities.Of(new ChatOptions { Tools = [], ResponseFormat = ChatResponseFormat.Text }));
        Assert.Equal(["json"], ModelCapabilities.Of(new ChatOptions { ResponseFormat = ChatResponseFormat.Json }));
        Assert.Equal(["tools", "json"], ModelCapabilities.Of(new ChatOptions { Tools = [tool], ResponseFormat = ChatResponseFormat.Json }));
    }

    private static ChatDeployment Deployment(string model) => new("p", model, false, new ScriptedChatClient());

    private static CatalogRoute Route(params IEnumerable<(string Model, TargetRule When, long? Context)> targets) =>
        new([.. targets.Select(target => (Deployment(target.Model) with { ContextTokens = target.Context }, target.When))]);

    private static IEnumerable<string> Chosen(CatalogRoute route, RouteNeeds needs) =>
        route.For(needs).Select(deployment => $"{deployment.Model}:{deployment.ChosenFor}");
}
