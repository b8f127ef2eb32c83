using System.Collections.Immutable;
using AiBackend.Web.Runs;

namespace AiBackend.Web.Answers;

/// <summary>The growing answer as blocks. What is settled is rendered once; only the last block is rendered again.</summary>
/// <remarks>One thread at a time, never a circuit's: hostile text can take a while.</remarks>
internal sealed class AnswerDocument(TimeProvider clock)
{
    /// <summary>Beyond this an answer continues as plain text.</summary>
    public const int MaxRichLength = 256 * 1024;

    /// <summary>Most that is parsed at once. A single block longer than this is shown as plain text.</summary>
    public const int MaxBlockLength = 48 * 1024;

    /// <summary>One rendering that took longer than this was the last one of this answer; the rest is plain text.</summary>
    private static readonly TimeSpan MaxRenderTime = TimeSpan.FromMilliseconds(400);

    private const int PlainChunk = 16 * 1024;

    private readonly ImmutableArray<AnswerBlock>.Builder _settled = ImmutableArray.CreateBuilder<AnswerBlock>();
    private int _revision;
    private int _settledUntil;
    private bool _plain;
    private bool _complete;

    /// <summary>Brings the blocks up to the fold's text.</summary>
    /// <param name="fold">What was read so far.</param>
    /// <param name="isComplete">True when no more text will come.</param>
    public ImmutableArray<AnswerBlock> Update(RunFold fold, bool isComplete)
    {
        if (fold.TextRevision != _revision || (isComplete && !_complete && HasReferences(fold)))
        {
            // A definition at the end of a text changes links before it, so a finished text that has one is rendered whole.
            _settled.Clear();
            (_revision, _settledUntil, _plain) = (fold.TextRevision, 0, false);
        }

        _complete = isComplete;
        var tail = fold.TextFrom(_settledUntil);
        while (!_plain && tail.Length > 0 && _settledUntil < MaxRichLength)
        {
            var isLast = tail.Length <= MaxBlockLength;
            if (Settle(isLast ? tail : tail[..MaxBlockLength], isLast && isComplete) is not { } open)
            {
                break;
            }

            tail = fold.TextFrom(_settledUntil);
            if (isLast)
            {
                return tail.Length == 0 ? _settled.ToImmutable() : [.. _settled, open];
            }
        }

        return tail.Length == 0 ? _settled.ToImmutable() : PlainRest(tail);
    }

    /// <summary>Renders a piece and keeps every block of it that can no longer change.</summary>
    /// <returns>The block that still can, or null when the piece is nothing for Markdown.</returns>
    private AnswerBlock? Settle(string piece, bool isComplete)
    {
        var startedAt = clock.GetTimestamp();
        if (SafeMarkdown.TryRender(piece) is not { } blocks)
        {
            return null;
        }

        _plain = clock.GetElapsedTime(startedAt) > MaxRenderTime;
        var count = isComplete ? blocks.Count : Math.Max(blocks.Count - 1, 0);
        _settled.AddRange(blocks.Take(count).Select(each => each.Block));
        _settledUntil +=
            isComplete ? piece.Length
            : count == 0 ? 0
            : blocks[count].Start;
        if (isComplete || blocks.Count == 0)
        {
            return new AnswerBlock("", "", Settled: false);
        }

        // A block as long as the whole piece would be parsed again and again.
        return count == 0 && piece.Length == MaxBlockLength ? null : blocks[count].Block with { Settled = false };
    }

    private ImmutableArray<AnswerBlock> PlainRest(string tail)
    {
        _plain = true;
        while (tail.Length > PlainChunk)
        {
            var end = tail.LastIndexOf('\n', PlainChunk) is > 0 and var line ? line + 1 : PlainChunk;
            end -= char.IsHighSurrogate(tail[end - 1]) ? 1 : 0;
            _settled.Add(SafeMarkdown.Plain(tail[..end]));
            _settledUntil += end;
            tail = tail[end..];
        }

        var rest = SafeMarkdown.Plain(tail) with { Settled = _complete };
        return tail.Length == 0 ? _settled.ToImmutable() : [.. _settled, rest];
    }

    private bool HasReferences(RunFold fold) =>
        !_plain && _settledUntil > 0 && fold.TextLength <= MaxRichLength && fold.Text.Contains("]:", StringComparison.Ordinal);
}
