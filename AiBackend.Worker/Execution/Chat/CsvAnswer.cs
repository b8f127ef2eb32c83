using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>An answer that becomes a file of the type CSV: what is no table is told to the model, once, and then is no answer.</summary>
/// <remarks>One of the type JSON has a contract, and any text is text.</remarks>
internal sealed class CsvAnswer(ArtifactTerms artifact)
{
    private const string Violation = "contract_violation";

    private bool _corrected;

    public AfterTurn After(ChatTurn turn, ChatAnswer answer, RunningJob running)
    {
        var end = answer.Finish();
        if (end.Status != JobStatus.Completed)
        {
            return new(end, null);
        }

        var text = CsvTable.Unfenced(answer.Text);
        if (CsvTable.FindFault(text) is { } fault)
        {
            return _corrected ? new(Refuse(fault), null) : new(null, Correct(turn, answer, fault));
        }

        if (text == answer.Text)
        {
            return new(end, null);
        }

        running.AppendSnapshot(text);
        return new(AttemptEnd.Succeeded(text) with { FinishReason = answer.FinishReason }, null);
    }

    private ChatTurn Correct(ChatTurn turn, ChatAnswer answer, string fault)
    {
        _corrected = true;
        return turn with
        {
            Reason = Violation,
            Messages =
            [
                .. turn.Messages,
                .. answer.HasText ? [new ChatMessage(ChatRole.Assistant, answer.Text)] : Array.Empty<ChatMessage>(),
                new ChatMessage(ChatRole.User, $"Your answer is no CSV: {fault} Answer again, in full, with CSV alone."),
            ],
        };
    }

    private AttemptEnd Refuse(string fault) =>
        AttemptEnd.FailedForGood(
            new(
                Violation,
                Violation,
                $"The answer is no {artifact.Type}, so there is no file {artifact.Name}: {fault} Change the input so that the model answers with CSV alone.",
                Retryable: true
            )
        );
}
