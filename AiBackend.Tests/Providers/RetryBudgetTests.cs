using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Providers;

/// <summary>Retries are a share of the calls to a provider, whatever happens; failing over spends the budget of the provider it goes to.</summary>
public sealed class RetryBudgetTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private enum Step
    {
        FirstCall,
        Retry,
        RetrySucceeds,
        ASecondPasses,
    }

    [Fact]
    public void P_7_over_any_sequence_of_calls_failures_and_pauses_retries_stay_within_the_budget()
    {
        Prop.ForAll(
                Arb.From(Gen.ListOf(Gen.Elements(Enum.GetValues<Step>()))),
                steps =>
                {
                    var clock = new FakeTime();
                    var budget = new RetryBudget(clock);
                    var (first, taken, succeeded, seconds) = (0, 0, 0, 0);
                    foreach (var step in steps)
                    {
                        switch (step)
                        {
                            case Step.FirstCall:
                                budget.NoteFirstCall();
                                first++;
                                break;
                            case Step.Retry:
                                taken += budget.TryTake() ? 1 : 0;
                                break;
                            case Step.RetrySucceeds when succeeded < taken:
                                budget.NoteSuccess();
                                succeeded++;
                                break;
                            case Step.ASecondPasses:
                                clock.Advance(TimeSpan.FromSeconds(1));
                                seconds++;
                                break;
                        }

                        var allowed =
                            RetryBudget.Floor + (RetryBudget.Ratio * first) + succeeded + (seconds / RetryBudget.Trickle.TotalSeconds);
                        if (taken - succeeded > allowed + 1e-6)
                        {
                            return false;
                        }
                    }

                    return budget.Left <= RetryBudget.Capacity;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Fact]
    public void A_quiet_system_may_retry_again_after_a_while_and_only_so_often()
    {
        var clock = new FakeTime();
        var budget = new RetryBudget(clock);
        Assert.Equal(RetryBudget.Floor, TakeAll(budget));

        clock.Advance(RetryBudget.Trickle * 3);
        Assert.Equal(3, TakeAll(budget));

        clock.Advance(RetryBudget.Trickle * 1000);
        Assert.Equal(RetryBudget.Floor, TakeAll(budget));
    }

    [Fact]
    public void A_long_time_without_trouble_allows_one_burst_of_retries_and_not_a_longer_one()
    {
        var budget = new RetryBudget(new FakeTime());
        for (var call = 0; call < 10_000; call++)
        {
            budget.NoteFirstCall();
        }

        Assert.Equal(RetryBudget.Capacity, TakeAll(budget));
    }

    [Fact]
    public async Task F_24_without_budget_the_next_provider_is_asked_and_nobody_when_none_has_any()
    {
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 503 });
        using var providers = ProviderHost.For(model, simulator.Address, simulator.Address);
        var calls = new ChatCalls(TimeProvider.System, isRetry: true);
        // The first one's retries are spent; the other's are not.
        SpendBudget(providers, "p0");

        var failure = await Failure.OfAsync(StreamAsync(providers, model, calls));

        Assert.IsType<ProviderFailure.Transient>(failure);
        Assert.Equal(["retry_budget_spent", "provider_unavailable"], calls.All.Select(call => call.Failure!.Code));
        Assert.Single(await simulator.CallsAsync(model, TestRun.Cancel));

        SpendBudget(providers, "p1");
        var none = await Failure.OfAsync(StreamAsync(providers, model, new ChatCalls(TimeProvider.System, isRetry: true)));
        Assert.Equal(new ProviderFailure.NotAsked("retry_budget_spent", "p0", none.Message, TimeSpan.Zero), none);
        Assert.Single(await simulator.CallsAsync(model, TestRun.Cancel));
        // A first call is nobody's retry.
        await Failure.OfAsync(StreamAsync(providers, model, new ChatCalls(TimeProvider.System)));
        Assert.Equal(2, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
    }

    [Fact]
    public async Task A_provider_that_answers_retries_gets_more_of_them()
    {
        var model = await simulator.ModelAsync(new { words = 1 });
        using var providers = ProviderHost.For(model, simulator.Address);

        for (var call = 0; call < 3 * RetryBudget.Floor; call++)
        {
            await StreamAsync(providers, model, new ChatCalls(TimeProvider.System, isRetry: true)).ReadAllAsync();
        }

        Assert.Equal(3 * RetryBudget.Floor, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
    }

    private static IAsyncEnumerable<ChatProgress> StreamAsync(ProviderHost providers, string model, ChatCalls calls) =>
        providers.Chat.StreamAsync(model, ProviderHost.Question, null, calls, TestRun.Cancel);

    private static void SpendBudget(ProviderHost providers, string provider)
    {
        var budgets = providers.Services.GetRequiredService<RetryBudgets>();
        while (budgets.MayCall(provider, isRetry: true))
        {
            // Until it is spent.
        }
    }

    private static int TakeAll(RetryBudget budget)
    {
        var taken = 0;
        while (budget.TryTake())
        {
            taken++;
        }

        return taken;
    }
}
