using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Workflows;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>One try at a step that asks a person: it asks, and waits without a slot. What is approved is the job's output.</summary>
internal sealed class ReviewAttempt(IOptions<ReviewOptions> options)
{
    public AttemptEnd Run(RunningJob running)
    {
        var input = ReviewStepInput.Read(running.Job.Input);
        var question = JsonSerializer.Serialize(
            new ReviewQuestion(ReviewReasons.Step) { Text = input.Question },
            WireJson.Default.ReviewQuestion
        );
        // Whoever reads the log sees what is proposed, as with an answer.
        running.AppendText(input.Proposal);
        var ask = options.Value.Ask(question, input.Review, running.Job.Attempt);
        // Another attempt would ask the same again.
        ask = ask.OnTimeout == WaitDefault.Continue ? ask with { OnTimeout = WaitDefault.Fail } : ask;
        return AttemptEnd.AskedForReview(ask, input.Proposal);
    }
}
