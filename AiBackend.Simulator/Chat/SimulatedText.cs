namespace AiBackend.Simulator.Chat;

/// <summary>What the simulator says when nobody told it what to say: that it is simulated, before anything else.</summary>
internal static class SimulatedText
{
    private const int QuotedCharacters = 160;

    public static string AnswerTo(IReadOnlyList<SimMessage> messages)
    {
        var asked = messages.LastOrDefault(message => message.Role is "user")?.Content.ReplaceLineEndings(" ").Trim() ?? "";
        var quoted = asked.Length > QuotedCharacters ? asked[..QuotedCharacters].TrimEnd() + "…" : asked;

        return $"""
            This is a simulated answer. No language model has read your request; the simulator only shows how a run looks while it is working.

            You asked: “{quoted}”

            ### What really happened

            1. **Accepted.** Your request was written to the database before you got its number, so it survives a crash of any part of the system.
            2. **Queued.** A worker picked it up when it had a free slot.
            3. **Streamed.** Each piece of this text was stored before you saw it. Close the page, come back, and nothing is missing.

            ### To get real answers

            Stop the stack and start it again with a provider, for example:

            ```bash
            OPENAI_API_KEY=sk-… ./run.sh
            ```

            Any server that speaks OpenAI's protocol will do: set `OPENAI_BASE_URL` and `OPENAI_MODEL` as well. `ANTHROPIC_API_KEY` works the same way.
            """;
    }
}
