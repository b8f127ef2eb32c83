using System.Buffers;
using System.IO.Pipelines;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Why a stream is over.</summary>
internal enum StreamEnd
{
    /// <summary>Everything was said.</summary>
    Complete,

    /// <summary>The reader left, or stood still for too long.</summary>
    ReaderLeft,

    /// <summary>This server stops; another one can be asked.</summary>
    Stopping,

    /// <summary>The reader's key no longer counts.</summary>
    KeyRevoked,
}

/// <summary>How the events of a job look to one reader.</summary>
internal abstract class EventView
{
    /// <summary>Before the first event.</summary>
    public virtual void Begin(PipeWriter output) { }

    /// <summary>Says an event, or nothing.</summary>
    /// <returns>False when nothing more is to be said.</returns>
    public abstract ValueTask<bool> WriteAsync(PipeWriter output, JobEventRecord record, CancellationToken cancellationToken);

    /// <summary>The stream is cut off although the reader is there.</summary>
    public virtual void Interrupt(PipeWriter output, StreamEnd why) { }
}

/// <summary>Every event as it is, with its number.</summary>
internal sealed class NativeView : EventView
{
    public static readonly NativeView Instance = new();

    private const int FlushAbove = 32 * 1024;

    public override void Begin(PipeWriter output) => output.Write(EventStreamWriter.Greeting);

    /// <summary>In pieces: a reader that stands still costs a buffer, not a copy of the whole output.</summary>
    public override async ValueTask<bool> WriteAsync(PipeWriter output, JobEventRecord record, CancellationToken cancellationToken)
    {
        EventStreamWriter.WriteBegin(output, record);
        for (var rest = record.Data; rest.Length > 0; )
        {
            var piece = rest[..Math.Min(rest.Length, FlushAbove)];
            output.Write(piece.Span);
            rest = rest[piece.Length..];
            if (output.UnflushedBytes > FlushAbove)
            {
                await output.FlushAsync(cancellationToken);
            }
        }

        output.Write(EventStreamWriter.End);
        return true;
    }
}
