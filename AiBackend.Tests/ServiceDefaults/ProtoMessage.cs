using System.Buffers.Binary;
using System.Text;

namespace AiBackend.Tests.ServiceDefaults;

/// <summary>Just enough of the protobuf wire format to read OTLP: numbered fields, nested messages, strings.</summary>
/// <remarks>https://protobuf.dev/programming-guides/encoding/</remarks>
internal sealed class ProtoMessage
{
    private readonly List<(int Number, byte[] Bytes)> _fields = [];

    public ProtoMessage(ReadOnlySpan<byte> wire)
    {
        while (!wire.IsEmpty)
        {
            var key = Varint(ref wire);
            var length = (key & 7) switch
            {
                0 => VarintLength(wire),
                1 => 8,
                2 => (int)Varint(ref wire),
                5 => 4,
                var type => throw new InvalidDataException($"wire type {type} is not used by OTLP"),
            };
            _fields.Add(((int)(key >> 3), wire[..length].ToArray()));
            wire = wire[length..];
        }
    }

    /// <summary>The nested messages at the end of a path of field numbers.</summary>
    public IEnumerable<ProtoMessage> All(params int[] path)
    {
        IEnumerable<ProtoMessage> found = [this];
        return path.Aggregate(found, (messages, number) => messages.SelectMany(message => message.Nested(number)));
    }

    public string Text(int number) => Encoding.UTF8.GetString(Bytes(number));

    public byte[] Bytes(int number) => _fields.FirstOrDefault(field => field.Number == number).Bytes ?? [];

    /// <summary>Attributes (repeated KeyValue) as text.</summary>
    public Dictionary<string, string> Attributes(int number) =>
        Nested(number).ToDictionary(pair => pair.Text(1), pair => pair.Nested(2).Select(Value).FirstOrDefault(""));

    private IEnumerable<ProtoMessage> Nested(int number) =>
        _fields.Where(field => field.Number == number).Select(field => new ProtoMessage(field.Bytes));

    /// <summary>An AnyValue: text in 1, bool in 2, integer in 3, double in 4.</summary>
    private static string Value(ProtoMessage any) =>
        any._fields.FirstOrDefault() switch
        {
            (1, var text) => Encoding.UTF8.GetString(text),
            (4, var number) => $"{BinaryPrimitives.ReadDoubleLittleEndian(number)}",
            (2 or 3, var number) => $"{Varint(number)}",
            _ => "",
        };

    private static ulong Varint(byte[] wire)
    {
        ReadOnlySpan<byte> rest = wire;
        return Varint(ref rest);
    }

    private static ulong Varint(ref ReadOnlySpan<byte> wire)
    {
        var length = VarintLength(wire);
        var value = 0UL;
        for (var index = length - 1; index >= 0; index--)
        {
            value = (value << 7) | (wire[index] & 0x7Fu);
        }

        wire = wire[length..];
        return value;
    }

    private static int VarintLength(ReadOnlySpan<byte> wire)
    {
        var length = 1;
        while ((wire[length - 1] & 0x80) != 0)
        {
            length++;
        }

        return length;
    }
}
