using AiBackend.Core.Repeats;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Who holds a request that makes no job, and who follows a holder that died.</summary>
public sealed class KeptAnswerTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_repeat_follows_a_holder_that_died_and_none_that_says_that_it_lives()
    {
        var kept = new KeptAnswers(Core.Database);
        var (first, repeat) = (Request(), Request());
        Assert.IsType<RepeatState.First>(await kept.BeginAsync(first, TestRun.Cancel));
        await AgeAsync();
        await kept.HoldAsync(first, TestRun.Cancel);

        Assert.IsType<RepeatState.UnderWay>(await kept.BeginAsync(repeat, TestRun.Cancel));

        await AgeAsync();
        Assert.IsType<RepeatState.First>(await kept.BeginAsync(repeat, TestRun.Cancel));
        // Whoever was followed has nothing to say any more.
        await AgeAsync();
        await kept.HoldAsync(first, TestRun.Cancel);
        Assert.IsType<RepeatState.First>(await kept.BeginAsync(Request(), TestRun.Cancel));
    }

    private static KeptRequest Request() => new(ApiKeyStore.DefaultTenant, "key", [1, 2, 3]);

    private Task AgeAsync() => Core.ExecuteAsync("UPDATE kept_answers SET begun_at = begun_at - interval '1 minute'", Guid.Empty);
}
