using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Database;

namespace AiBackend.Core.Events;

/// <summary>
/// Tells what our processes say over Redis from what anybody says who can write there: each message ends with a code, made with a key that Redis does
/// not know. One without is passed over, and nothing is lost by it: readers have the log, and cancels their marks.
/// </summary>
public sealed class MessageSeal(IMessageStore store, ForgedMessages forged, TimeProvider clock)
{
    // Behind the message, where versions that know no codes pass over it.
    private const int CodeLength = 16;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private byte[]? _key;
    private Task<byte[]>? _reading;
    private long _readAt;

    /// <summary>Reads the key, if Postgres can be asked: what comes before it was read is passed over.</summary>
    public async Task PrepareAsync()
    {
        try
        {
            await KeyAsync();
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: the next message asks again.
        }
    }

    /// <returns>What is sent.</returns>
    /// <param name="channel">Where to: a message of one channel is none of another.</param>
    /// <param name="message">What is said.</param>
    public async ValueTask<byte[]> SealAsync(string channel, byte[] message)
    {
        var key = _key ?? await KeyAsync();
        return [.. message, .. CodeOf(key, channel, message).AsSpan(0, CodeLength)];
    }

    /// <returns>What was said; null when none of us said it, or nobody can tell yet.</returns>
    /// <param name="channel">Where it came.</param>
    /// <param name="message">What came.</param>
    public ReadOnlyMemory<byte>? Open(string channel, byte[]? message)
    {
        if (_key is not { } key)
        {
            _ = PrepareAsync();
            return null;
        }

        if (message?.Length >= CodeLength)
        {
            var said = message.AsMemory(0, message.Length - CodeLength);
            if (CryptographicOperations.FixedTimeEquals(CodeOf(key, channel, said.Span).AsSpan(0, CodeLength), message.AsSpan(said.Length)))
            {
                return said;
            }
        }

        forged.Add(channel);
        return null;
    }

    /// <summary>One asks for all, and after a failure not more than once a second.</summary>
    private async Task<byte[]> KeyAsync()
    {
        Task<byte[]> reading;
        lock (_gate)
        {
            if (_reading is null || (_reading.IsFaulted && clock.GetElapsedTime(_readAt) >= Pause))
            {
                (_reading, _readAt) = (store.ReadKeyAsync(CancellationToken.None), clock.GetTimestamp());
            }

            reading = _reading;
        }

        return _key = await reading;
    }

    private static byte[] CodeOf(byte[] key, string channel, ReadOnlySpan<byte> message)
    {
        using var code = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        code.AppendData(Encoding.UTF8.GetBytes(channel));
        code.AppendData([0]);
        code.AppendData(message);
        return code.GetHashAndReset();
    }
}
