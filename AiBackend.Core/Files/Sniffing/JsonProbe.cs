using System.Text.Json;

namespace AiBackend.Core.Files.Sniffing;

/// <summary>Whether bytes are one JSON object or array, read as they come.</summary>
internal sealed class JsonProbe
{
    /// <summary>Longest string in it: one has to be in memory as a whole.</summary>
    private const int LongestToken = 1 << 20;

    private JsonReaderState _state;
    private byte[] _rest = [];
    private bool _hasBegun;
    private bool _failed;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (!_hasBegun && !_failed)
        {
            bytes = bytes.TrimStart(" \t\r\n"u8);
            if (bytes.IsEmpty)
            {
                return;
            }

            // Most texts are none, and are looked at no further.
            _hasBegun = bytes[0] is (byte)'{' or (byte)'[';
            _failed = !_hasBegun;
        }

        Read(bytes, isEnd: false);
    }

    public bool IsWhole()
    {
        Read([], isEnd: true);
        return _hasBegun && !_failed;
    }

    private void Read(ReadOnlySpan<byte> bytes, bool isEnd)
    {
        if (_failed || !_hasBegun)
        {
            return;
        }

        if (_rest.Length > 0)
        {
            bytes = (byte[])[.. _rest, .. bytes];
        }

        try
        {
            var reader = new Utf8JsonReader(bytes, isEnd, _state);
            while (reader.Read())
            {
                // What it says does not matter.
            }

            _state = reader.CurrentState;
            _rest = bytes[(int)reader.BytesConsumed..].ToArray();
            _failed = _rest.Length > LongestToken;
        }
        catch (JsonException)
        {
            _failed = true;
        }
    }
}
