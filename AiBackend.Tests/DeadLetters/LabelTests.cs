using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.DeadLetters;

/// <summary>Every job that dies has a reason, a fingerprint and its last error (I-12).</summary>
public sealed class LabelTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private DeadLetterReads Letters => Core.Get<DeadLetterReads>();

    private LabelDeadLetters Label => Core.Get<LabelDeadLetters>();

    [Fact]
    public async Task I_12_a_job_is_labelled_whoever_let_it_die()
    {
        var failed = await Core.SubmitAsync();
        await Core.EndAsync(failed, AttemptEnd.FailedForGood(Dying.Timeout));
        var poison = await Core.SubmitAsync();
        using (await Core.ClaimAsync(poison))
        {
            await Core.ExecuteAsync("UPDATE jobs SET crash_count = 2, lease_until = now() WHERE id = @id", poison);
            await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel);
        }

        var late = await Core.SubmitAsync(CoreHost.Draft() with { Deadline = TimeProvider.System.GetUtcNow().AddHours(1) });
        await Core.ExecuteAsync("UPDATE jobs SET deadline = now() WHERE id = @id", late);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        Assert.Equal(3, await Label.RunAsync(TestRun.Cancel));

        var letters = await Letters.ListAsync(ApiKeyStore.DefaultTenant, new DeadLetterFilter(), null, 10, TestRun.Cancel);
        Assert.Equal([late, poison, failed], letters.Select(letter => letter.JobId));
        Assert.Equal(["deadline_exceeded", "poison", "provider_timeout"], letters.Select(letter => letter.Code));
        Assert.All(
            letters,
            letter => Assert.Equal(ErrorShape.Of(letter.Class, letter.Code, letter.Message!).Fingerprint, letter.Fingerprint)
        );
        Assert.Equal(Dying.Timeout.Message, letters[2].Message);
        Assert.All(letters, letter => Assert.Equal("default", letter.Model));
        Assert.Equal(3, (await GroupsAsync()).Count);
    }

    [Fact]
    public async Task A_letter_is_labelled_once_whatever_leads()
    {
        await Core.DieAsync();
        await Core.DieAsync(Dying.Timeout with { Message = "Provider 'p7' sent no first token within 3 s." });
        var before = Assert.Single(await GroupsAsync());
        var unlabelled = await Core.SubmitAsync();
        await Core.EndAsync(unlabelled, AttemptEnd.FailedForGood(Dying.Timeout));

        var found = await Label.FindAsync(TestRun.Cancel);
        var labelled = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Label.LabelAsync(found, TestRun.Cancel)));

        Assert.Equal(1, labelled.Sum());
        var after = Assert.Single(await GroupsAsync());
        Assert.Equal((2, 3), (before.Count, after.Count));
        Assert.Equal(before.FirstSeenAt, after.FirstSeenAt);
        Assert.True(after.LastSeenAt > before.LastSeenAt);
        Assert.Equal("Provider <text> sent no first token within <n> s.", after.Message);
        Assert.Equal((unlabelled, Dying.Timeout.Message), (after.Sample.JobId, after.Sample.Message));
    }

    [Fact]
    public async Task A_letter_whose_job_retention_took_away_is_labelled_by_what_is_left()
    {
        var gone = await Core.SubmitAsync();
        await Core.EndAsync(gone, AttemptEnd.FailedForGood(Dying.Timeout));
        await Core.ExecuteAsync("DELETE FROM jobs WHERE id = @id", gone);

        Assert.Equal(1, await Label.RunAsync(TestRun.Cancel));

        Assert.Equal("", Assert.Single(await GroupsAsync()).Message);
    }

    [Fact]
    public async Task The_callers_own_errors_are_no_dead_letters()
    {
        await Core.DieAsync(Dying.Refused);

        Assert.Empty(await GroupsAsync());
    }

    private Task<IReadOnlyList<AiBackend.ApiContracts.DeadLetters.DeadLetterGroup>> GroupsAsync() =>
        Letters.ListGroupsAsync(ApiKeyStore.DefaultTenant, new DeadLetterFilter(), null, 100, TestRun.Cancel);
}
