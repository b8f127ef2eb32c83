using AiBackend.Core.Admission;
using AiBackend.Core.Database;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Admission;

/// <summary>F-29: of all workers one finds out whether a provider that is down is well again, and tells the others.</summary>
public sealed class ProbeTurnsTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Open = TimeSpan.FromMinutes(10);

    [Fact]
    public async Task F_29_of_many_that_ask_at_once_for_any_models_of_a_provider_one_has_the_turn()
    {
        var turns = await Task.WhenAll(Enumerable.Range(0, 40).Select(each => TakeAsync($"m{each % 4}")));

        Assert.Single(turns.OfType<ProbeTurn.Granted>());
        Assert.All(turns.OfType<ProbeTurn.Taken>(), taken => Assert.InRange(taken.Wait.TotalSeconds, 30, 60));
        Assert.IsType<ProbeTurn.Granted>(await TakeAsync("m0", "other"));
        await AgeAsync(Every);
        Assert.IsType<ProbeTurn.Granted>(await TakeAsync("m3"));
    }

    [Fact]
    public async Task F_29_what_answered_is_asked_by_all_who_left_it_before_and_other_models_of_the_provider_have_turns_of_their_own()
    {
        Assert.IsType<ProbeTurn.Granted>(await TakeAsync("m0"));
        Assert.IsType<ProbeTurn.Taken>(await TakeAsync("m1"));

        await new DownDeployments(Core.Database, TimeProvider.System).RecordWellAsync([("p0", "m0")], TestRun.Cancel);

        Assert.IsType<ProbeTurn.Well>(await TakeAsync("m0"));
        Assert.IsType<ProbeTurn.Granted>(await TakeAsync("m1"));
        Assert.IsType<ProbeTurn.Granted>(await TakeAsync("m2"));
        Assert.IsType<ProbeTurn.Taken>(await TakeAsync("m2"));
        // Found down since: the answer of before says nothing.
        Assert.IsType<ProbeTurn.Taken>(await TakeAsync("m0", open: TimeSpan.Zero));
    }

    [Fact]
    public async Task F_29_without_Postgres_it_is_nobodys_turn()
    {
        await using var nowhere = Npgsql.NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=x;Password=x;Database=x");

        var turn = await new ProbeTurns(nowhere, Core.Get<IStorageWatch>(), Settings).TakeAsync("p0", "m0", Open, TestRun.Cancel);

        Assert.Equal(new ProbeTurn.Taken(Every), turn);
    }

    private static IOptions<CircuitOptions> Settings => Options.Create(new CircuitOptions { ProbeEvery = Every });

    private async Task<ProbeTurn> TakeAsync(string model, string provider = "p0", TimeSpan? open = null) =>
        await new ProbeTurns(Core.Database, Core.Get<IStorageWatch>(), Settings).TakeAsync(provider, model, open ?? Open, TestRun.Cancel);

    private Task AgeAsync(TimeSpan by) =>
        Core.ExecuteAsync($"UPDATE provider_probes SET probed_at = probed_at - interval '{by.TotalSeconds} seconds'", Guid.Empty);
}
