using System.Buffers;

namespace AiBackend.Core.Providers.Wire;

/// <summary>Reads server-sent events from a stream, one at a time, without copying the usual ones.</summary>
/// <remarks>
/// Follows https://html.spec.whatwg.org/multipage/server-sent-events.html with one kindness: an event at the very end counts
/// even when its blank line is missing. Memory stays below twice <see cref="MaxLine"/>, whatever is sent.
/// </remarks>
internal sealed class SseReader(Stream stream) : IDisposable
{
    /// <summary>Longest line, and longest event, in bytes.</summary>
    public const int MaxLine = 1024 * 1024;

    private const int FirstBuffer = 4096;

    private static ReadOnlySpan<byte> ByteOrderMark => "\uFEFF"u8;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(FirstBuffer);
    private int _start;
    private int _end;

    /// <summary>How far the current line is known to have no end, so that a slow long line is not searched again and again.</summary>
    private int _searched;

    private bool _atBeginning = true;
    private bool _skipLineFeed;
    private bool _ended;

    // The data of the event being read: usually one line, still in the buffer; several lines are joined here.
    private Range _line;
    private bool _hasLine;
    private ArrayBufferWriter<byte>? _joined;
    private bool _isError;

    /// <summary>The data of the current event; valid until the next <see cref="ReadAsync"/>.</summary>
    public ReadOnlySpan<byte> Data => _joined is { WrittenCount: > 0 } ? _joined.WrittenSpan : _buffer.AsSpan(_line);

    /// <summary>Whether the current event has the type <c>error</c>. Other types make no difference here.</summary>
    public bool IsError { get; private set; }

    /// <summary>Moves to the next event that has data.</summary>
    /// <returns>False at the end of the stream.</returns>
    /// <exception cref="SseLimitException">A line or an event is longer than <see cref="MaxLine"/>.</exception>
    public ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        BeginEvent();
        return TryReadBuffered() ? new ValueTask<bool>(true) : ReadMoreAsync(cancellationToken);
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        (_start, _end) = (0, 0);
    }

    private async ValueTask<bool> ReadMoreAsync(CancellationToken cancellationToken)
    {
        while (!_ended)
        {
            MakeRoom();
            var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            _end += read;
            _ended = read == 0;
            if (TryReadBuffered())
            {
                return true;
            }
        }

        return false;
    }

    private void BeginEvent()
    {
        _hasLine = false;
        _isError = false;
        _joined?.ResetWrittenCount();
    }

    /// <summary>Consumes buffered lines until an event is complete.</summary>
    private bool TryReadBuffered()
    {
        SkipByteOrderMark();
        while (TryTakeLine(out var line))
        {
            if (line.Start.Value < line.End.Value)
            {
                TakeField(line);
            }
            else if (TryComplete())
            {
                return true;
            }
        }

        return _ended && TryComplete();
    }

    private bool TryComplete()
    {
        IsError = _isError;
        _isError = false;
        if (_hasLine && !Data.IsEmpty)
        {
            return true;
        }

        BeginEvent();
        return false;
    }

    private bool TryTakeLine(out Range line)
    {
        line = default;
        if (_skipLineFeed && _start < _end)
        {
            _skipLineFeed = false;
            if (_buffer[_start] == (byte)'\n')
            {
                _start++;
            }
        }

        var from = Math.Max(_start, _searched);
        var found = _buffer.AsSpan(from, _end - from).IndexOfAny((byte)'\n', (byte)'\r');
        if (found < 0)
        {
            _searched = _end;
            // A line that never ended still counts when nothing can follow.
            var last = _ended && _start < _end;
            line = _start.._end;
            _start = last ? _end : _start;
            return last;
        }

        var end = from + found;
        line = _start..end;
        // CR ends the line at once; whether an LF belongs to it may only be known with the next packet.
        _skipLineFeed = _buffer[end] == (byte)'\r';
        _start = end + 1;
        return true;
    }

    private void TakeField(Range range)
    {
        var line = _buffer.AsSpan(range);
        var colon = line.IndexOf((byte)':');
        var name = colon < 0 ? line : line[..colon];
        var valueStart = range.Start.Value + (colon < 0 ? line.Length : colon + 1);
        if (colon >= 0 && valueStart < range.End.Value && _buffer[valueStart] == (byte)' ')
        {
            valueStart++;
        }

        if (name.SequenceEqual("data"u8))
        {
            TakeData(valueStart..range.End.Value);
        }
        else if (name.SequenceEqual("event"u8))
        {
            _isError = _buffer.AsSpan(valueStart..range.End.Value).SequenceEqual("error"u8);
        }
    }

    private void TakeData(Range value)
    {
        if (!_hasLine)
        {
            _line = value;
            _hasLine = true;
            return;
        }

        _joined ??= new ArrayBufferWriter<byte>(FirstBuffer);
        if (_joined.WrittenCount == 0)
        {
            _joined.Write(_buffer.AsSpan(_line));
        }

        _joined.Write("\n"u8);
        _joined.Write(_buffer.AsSpan(value));
        if (_joined.WrittenCount > MaxLine)
        {
            throw new SseLimitException();
        }
    }

    private void SkipByteOrderMark()
    {
        if (!_atBeginning || _start == _end)
        {
            return;
        }

        var start = _buffer.AsSpan(_start, _end - _start);
        if (start.StartsWith(ByteOrderMark))
        {
            _start += ByteOrderMark.Length;
            _atBeginning = false;
        }
        else
        {
            // It may still be arriving, byte by byte.
            _atBeginning = ByteOrderMark.StartsWith(start);
        }
    }

    /// <summary>Moves what is still needed to the front and grows the buffer when that is not enough.</summary>
    private void MakeRoom()
    {
        // A data line waits in the buffer until its event is complete.
        var keep = _hasLine && _joined is not { WrittenCount: > 0 } ? Math.Min(_line.Start.Value, _start) : _start;
        if (keep > 0)
        {
            _buffer.AsSpan(keep, _end - keep).CopyTo(_buffer);
            Shift(keep);
        }

        if (_end < _buffer.Length)
        {
            return;
        }

        if (_end > MaxLine)
        {
            throw new SseLimitException();
        }

        var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
        _buffer.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }

    private void Shift(int by)
    {
        _start -= by;
        _end -= by;
        _searched = Math.Max(0, _searched - by);
        _line = Math.Max(0, _line.Start.Value - by)..Math.Max(0, _line.End.Value - by);
    }
}

/// <summary>An event stream exceeded <see cref="SseReader.MaxLine"/>.</summary>
internal sealed class SseLimitException() : Exception("A line of the event stream is longer than 1 MiB.");
