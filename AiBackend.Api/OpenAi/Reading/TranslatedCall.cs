using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>A call in OpenAI's terms, said in ours. <see cref="Jobs.Submitting.JobRequestRules.TryDraft"/> makes a draft of it.</summary>
/// <param name="Job">All but the input.</param>
/// <param name="Chat">The input.</param>
internal sealed record TranslatedCall(SubmitJobRequest Job, ChatInput Chat)
{
    /// <summary>The answer is sent while it is written.</summary>
    public bool Stream { get; init; }

    /// <summary>A stream ends with the token counts.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>The job goes on when its caller leaves.</summary>
    public bool Detach { get; init; }
}
