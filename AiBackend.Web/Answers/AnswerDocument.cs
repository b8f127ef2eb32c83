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
    public const int MaxPieceLength = 48 * 1024;

    /// <summary>An answer that takes longer than this twice continues as plain text.</summary>
    private static readonly TimeSpan MaxRenderTime = TimeSpan.FromSeconds(1);

    private const int MaxSlow = 2;

    private const int PlainChunk = 16 * 1024;

    private readonly ImmutableArray<AnswerBlock>.Builder _settled = ImmutableArray.CreateBuilder<AnswerBlock>();
    private int _revision;
    private int _settledUntil;
    private int _slow;
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
            (_revision, _settledUntil, _slow) = (fold.TextRevision, 0, 0);
        }

        _complete = isComplete;
        var tail = fold.TextFrom(_settledUntil);
        while (tail.Length > 0 && _slow < MaxSlow && _settledUntil < MaxRichLength)
        {
            var isLast = tail.Length <= MaxPieceLength;
            if (Settle(isLast ? tail : tail[..MaxPieceLength], isLast && isComplete) is not { } open)
            {
                break;
            }

            tail = fold.TextFrom(_settledUntil);
            if (isLast)
            {
                return [.. _settled, .. open];
            }
        }

        return tail.Length == 0 ? _settled.ToImmutable() : PlainRest(tail);
    }

    /// <summary>Renders a piece and keeps every block of it that can no longer change.</summary>
    /// <returns>The blocks that still can, or null when the piece is nothing for Markdown.</returns>
    private IEnumerable<AnswerBlock>? Settle(string piece, bool isComplete)
    {
        var startedAt = clock.GetTimestamp();
        if (SafeMarkdown.TryRender(piece) is not { } blocks)
        {
            return null;
        }

        _slow += clock.GetElapsedTime(startedAt) > MaxRenderTime ? 1 : 0;
        var count = isComplete ? blocks.Count : Math.Max(LastApart(blocks), 0);
        _settled.AddRange(blocks.Take(count).Select(each => each.Block));
        _settledUntil +=
            isComplete ? piece.Length
            : count == 0 ? 0
            : blocks[count].Start;

        // A block as long as the whole piece would be parsed again and again.
        return count == 0 && piece.Length == MaxPieceLength ? null : blocks.Skip(count).Select(each => each.Block with { Settled = false });
    }

    private static int LastApart(IReadOnlyList<RenderedBlock> blocks)
    {
        var last = blocks.Count - 1;
        while (last > 0 && !blocks[last].IsApart)
        {
            last--;
        }

        return last;
    }

    private ImmutableArray<AnswerBlock> PlainRest(string tail)
    {
        _slow = MaxSlow;
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
        _slow < MaxSlow && _settledUntil > 0 && fold.TextLength <= MaxRichLength && fold.Text.Contains("]:", StringComparison.Ordinal);
}
