using System.Buffers.Binary;

namespace AiBackend.Core.Jobs;

/// <summary>Makes the ids of jobs: UUIDv7, in the order in which this process made them.</summary>
/// <remarks>
/// <see cref="Guid.CreateVersion7()"/> leaves the order inside a millisecond to chance, and a caller who submits one job after
/// another would see them swapped in lists. Here the 12 bits after the millisecond are its fraction (RFC 9562, section 6.2,
/// method 3), and an id that would not be greater than the one before it is made so, also when the clock steps back.
/// </remarks>
public sealed class JobIds(TimeProvider clock)
{
    private const int FractionBits = 12;
    private long _last;

    /// <summary>A new id, greater than every one this instance gave before.</summary>
    public Guid Next()
    {
        var stamp = StampOf(clock.GetUtcNow());
        while (true)
        {
            var last = Interlocked.Read(ref _last);
            var next = Math.Max(stamp, last + 1);
            if (Interlocked.CompareExchange(ref _last, next, last) == last)
            {
                return Compose(next);
            }
        }
    }

    /// <summary>The smallest id of a moment: ids sort by time, so a time range is a range of the primary key.</summary>
    public static Guid FirstOf(DateTimeOffset moment)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        WriteMilliseconds(bytes, Math.Max(0, moment.ToUnixTimeMilliseconds()));
        return new Guid(bytes, bigEndian: true);
    }

    private static long StampOf(DateTimeOffset moment)
    {
        var ticks = moment.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;
        var (milliseconds, rest) = Math.DivRem(ticks, TimeSpan.TicksPerMillisecond);
        return (milliseconds << FractionBits) + ((rest << FractionBits) / TimeSpan.TicksPerMillisecond);
    }

    private static Guid Compose(long stamp)
    {
        Span<byte> bytes = stackalloc byte[16];
        // Its random bits; time and fraction are written over the rest.
        Guid.CreateVersion7().TryWriteBytes(bytes, bigEndian: true, out _);
        WriteMilliseconds(bytes, stamp >> FractionBits);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[6..], (ushort)(0x7000 | (stamp & 0xfff)));
        return new Guid(bytes, bigEndian: true);
    }

    private static void WriteMilliseconds(Span<byte> bytes, long milliseconds)
    {
        for (var i = 5; i >= 0; i--)
        {
            bytes[i] = (byte)milliseconds;
            milliseconds >>= 8;
        }
    }
}
