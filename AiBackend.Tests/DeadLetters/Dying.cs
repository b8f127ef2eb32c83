using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.DeadLetters;

/// <summary>Jobs that failed for good, made as a worker makes them.</summary>
internal static class Dying
{
    public static readonly JobError Timeout = new("provider_timeout", "transient", "Provider 'p0' sent no first token within 60 s.", true);
    public static readonly JobError Refused = new("invalid_request", "caller_error", "The provider refused the request.", false);

    /// <summary>Claims a queued job and ends it.</summary>
    public static async Task EndAsync(this CoreHost core, Guid jobId, AttemptEnd end)
    {
        using var running = await core.ClaimAsync(jobId);
        Assert.True(await running.EndAsync(end));
    }

    /// <summary>A job that failed for good, labelled unless the error is the caller's own.</summary>
    public static async Task<Guid> DieAsync(this CoreHost core, JobError? error = null, JobDraft? draft = null)
    {
        var jobId = await core.SubmitAsync(draft);
        await core.EndAsync(jobId, AttemptEnd.FailedForGood(error ?? Timeout));
        await core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);
        return jobId;
    }

    public static Task<string> FingerprintAsync(this CoreHost core, Guid jobId) =>
        core.ScalarAsync<string>("SELECT coalesce(fingerprint, '') FROM dead_letters WHERE job_id = @id", jobId);
}
