using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution.Tools;

/// <summary>Begins an attempt's work with registered tools.</summary>
internal sealed class JobTools(
    ToolLedger ledger,
    ToolRates rates,
    ToolRunner runner,
    CodeTools code,
    WaitReads waits,
    IOptions<ToolsOptions> options,
    IOptions<ReviewOptions> reviews,
    JobMetrics metrics,
    TimeProvider clock
)
{
    /// <summary>Reads the tools, and what earlier attempts have called.</summary>
    /// <param name="running">The job.</param>
    /// <param name="terms">What it was accepted with.</param>
    /// <param name="whenUsedUp">Asked where a tool has no calls left in this minute; null tells the model, and goes on.</param>
    /// <param name="stop">Ends it.</param>
    public async Task<ToolRounds> OpenAsync(RunningJob running, ToolTerms terms, WhenUsedUp? whenUsedUp, CancellationToken stop)
    {
        var job = running.Job;
        var writes = new FencedCalls(ledger, rates, running, clock);
        var found = await writes.TryAsync(() => ledger.ReadAsync(job, terms.Pinned, stop), stop);
        var tools = new Dictionary<string, ToolDefinition>(StringComparer.Ordinal);
        foreach (var pinned in terms.Pinned)
        {
            var tool = pinned.Version == 0 ? code.Definition(pinned.Name) : found.Tools.GetValueOrDefault(pinned.Name);
            if (tool is not null && tool.IsFor(job.KeyId))
            {
                tools[pinned.Name] = tool;
            }
        }

        var asked = found.Calls.Any(call => !call.HasEnded && call.AskedAttempt is not null)
            ? await writes.TryAsync(() => waits.ListAsync(job.TenantId, job.Lease.JobId, stop), stop)
            : [];
        return new ToolRounds(
            running,
            new OfferedTools(job, terms, tools, metrics),
            found.Calls,
            asked,
            writes,
            runner,
            options.Value,
            reviews.Value,
            metrics,
            whenUsedUp ?? ((_, _) => null)
        );
    }
}

/// <summary>Writes of the ledger that wait for Postgres as long as the lease holds: an answer that was heard and is not written down is lost.</summary>
internal sealed class FencedCalls(ToolLedger ledger, ToolRates rates, RunningJob running, TimeProvider clock)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public Task RecordAsync(IReadOnlyList<ToolCall> calls, CancellationToken stop) =>
        FencedAsync(() => ledger.RecordAsync(running.Job.Lease, calls, stop), stop);

    // None for receipts: what was heard outlives whoever asked, for as long as the lease does.
    public Task MoveAsync(IReadOnlyList<ToolCall> calls, CancellationToken stop) =>
        calls.Count == 0 ? Task.CompletedTask : FencedAsync(() => ledger.MoveAsync(running.Job.Lease, calls, stop), stop);

    /// <summary>Takes one of the calls that a tool may have in this minute.</summary>
    /// <returns>How long until there are calls again when there is none left; null when it may be called.</returns>
    public async Task<TimeSpan?> RefuseAsync(ToolDefinition tool, CancellationToken stop) =>
        tool.CallsPerMinute is { } most ? await TryAsync(() => rates.TakeAsync(running.Job.TenantId, tool.Name, most, stop), stop) : null;

    public async Task<T> TryAsync<T>(Func<Task<T>> statement, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                return await statement();
            }
            catch (Exception failure) when (StorageFailures.MayCome(failure) && StorageFailures.Of(failure) is not null)
            {
                running.Stop.ThrowIfCancellationRequested();
                await Task.Delay(Pause, clock, stop);
            }
        }
    }

    private async Task FencedAsync(Func<Task<bool>> statement, CancellationToken stop)
    {
        if (!await TryAsync(statement, stop))
        {
            running.Lose();
            throw new OperationCanceledException("The lease has passed on.");
        }
    }
}
