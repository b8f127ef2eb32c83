using System.Text;

namespace AiBackend.Web.Runs;

/// <summary>What a screen reader is told while an answer grows: whole blocks and changes of state, a few times a minute.</summary>
/// <remarks>The visible answer changes ten times a second; announcing that would bury the reader.</remarks>
internal sealed class Announcements
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(4);
    private const int MaxLength = 400;

    private DateTimeOffset _saidAt;
    private string? _status;
    private int _attempt;
    private int _blocks;

    /// <summary>The next thing to say, or null when there is nothing new or something was said a moment ago.</summary>
    public string? Next(RunView run, DateTimeOffset now)
    {
        // Another attempt writes another text, from its first block on.
        (_attempt, _blocks) = (run.Attempt, run.Attempt == _attempt ? _blocks : 0);
        var isNewState = !string.Equals(run.Status, _status, StringComparison.Ordinal);
        if (run.Job is null || (now - _saidAt < Shortest && !(isNewState && run.HasEnded)))
        {
            return null;
        }

        var said = new StringBuilder();
        var settled = run.Answer.TakeWhile(block => block.Settled).Skip(_blocks).Select(block => block.Plain).ToList();
        foreach (var text in settled)
        {
            said.Append(text.Length > MaxLength ? text[..MaxLength] + "…" : text).Append(' ');
        }

        if (isNewState)
        {
            said.Append("The run is now: ").Append(RunWords.Status(run.Status)).Append('.');
        }

        // What was on the page before is read by moving through it, not announced.
        var isFirst = _status is null && run.HasEnded;
        (_status, _blocks) = (run.Status, _blocks + settled.Count);
        if (said.Length == 0 || isFirst)
        {
            return null;
        }

        _saidAt = now;
        return said.ToString().Trim();
    }
}
