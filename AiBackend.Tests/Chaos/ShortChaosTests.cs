using AiBackend.Tests.EndToEnd;

namespace AiBackend.Tests.Chaos;

/// <summary>Everything dies under load, shortly; then every invariant is decided from what callers wrote down and the database.</summary>
[Collection(StackCollection.Name)]
public sealed class ShortChaosTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;

    [Fact]
    public async Task F_3_F_7_every_invariant_holds_although_api_workers_and_Redis_die_under_load()
    {
        await using var run = await ChaosRun.StartAsync(_stack, withTools: true);

        foreach (var program in (string[])["worker", "api", "redis", "worker"])
        {
            await run.UntilMoreEndedAsync(10);
            await run.Tormentor.KillAsync(program);
        }

        await run.UntilMoreEndedAsync(10);
        await run.Tormentor.FlushRedisAsync();
        await run.UntilMoreEndedAsync(10);
        await run.Tormentor.TerminateWorkerAsync(replica: 0);
        var findings = await run.EndAsync(TimeSpan.FromSeconds(120));

        Assert.DoesNotContain(findings, finding => finding.IsUndecided);
        await run.AssertNothingIsViolatedAsync(findings);
    }
}
