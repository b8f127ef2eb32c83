using System.Buffers.Binary;
using AiBackend.Core.Jobs;

namespace AiBackend.Core.Events;

/// <summary>Committed events as one message: per event 16 bytes job id, 4 bytes seq, 2 bytes kind, 4 bytes length, payload; big endian.</summary>
internal static class EventBundle
{
    private const int HeaderLength = 16 + 4 + 2 + 4;

    public static byte[] Encode(IReadOnlyList<JobEventRecord> events)
    {
        var bundle = new byte[events.Sum(record => HeaderLength + record.Data.Length)];
        var rest = bundle.AsSpan();
        foreach (var record in events)
        {
            record.JobId.TryWriteBytes(rest, bigEndian: true, out _);
            BinaryPrimitives.WriteInt32BigEndian(rest[16..], record.Seq);
            BinaryPrimitives.WriteInt16BigEndian(rest[20..], (short)record.Kind);
            BinaryPrimitives.WriteInt32BigEndian(rest[22..], record.Data.Length);
            record.Data.Span.CopyTo(rest[HeaderLength..]);
            rest = rest[(HeaderLength + record.Data.Length)..];
        }

        return bundle;
    }

    /// <summary>Reads a bundle; stops at the first byte that does not fit, because Redis carries no authority.</summary>
    public static IEnumerable<JobEventRecord> Decode(ReadOnlyMemory<byte> bundle)
    {
        while (bundle.Length >= HeaderLength)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(bundle.Span[22..]);
            if (length < 0 || length > bundle.Length - HeaderLength)
            {
                yield break;
            }

            yield return new JobEventRecord(
                new Guid(bundle.Span[..16], bigEndian: true),
                BinaryPrimitives.ReadInt32BigEndian(bundle.Span[16..]),
                (JobEventKind)BinaryPrimitives.ReadInt16BigEndian(bundle.Span[20..]),
                bundle.Slice(HeaderLength, length)
            );
            bundle = bundle[(HeaderLength + length)..];
        }
    }
}
