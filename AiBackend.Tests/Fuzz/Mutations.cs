using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Fuzz;

/// <summary>Bytes made of good ones: pieces are cut out and hostile ones put in.</summary>
internal static class Mutations
{
    private static readonly byte[][] Fragments =
    [
        .. (
            (string[])
                [
                    "{",
                    "}",
                    "[",
                    "]",
                    ",",
                    ":",
                    "\"",
                    "\\",
                    "null",
                    "true",
                    "1e400",
                    "-0",
                    "0.5",
                    "\"type\":",
                    "\"input\":{}",
                    "\"a\":\"b\"",
                    "\\ud800",
                    "\\u0000",
                    "//",
                    "\n",
                    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                    "\uFEFF",
                    "\"metadata\":{}",
                    "\"x\":1,",
                    "%",
                    "%00",
                    "&",
                    "=",
                    "{{",
                    "}}",
                    ".",
                    " ",
                    "v1,",
                    "&cursor=abc",
                    "99999999999999999999",
                    "\u202E",
                ]
        ).Select(Encoding.UTF8.GetBytes),
        [0xFF],
        [0xC3],
        [0],
    ];

    /// <summary>Up to four changes of one of some good inputs.</summary>
    public static Gen<byte[]> Of(params string[] good) => Of([.. good.Select(Encoding.UTF8.GetBytes)], []);

    /// <param name="good">Inputs that are taken as they are.</param>
    /// <param name="more">What may be put in beside what hurts any parser.</param>
    public static Gen<byte[]> Of(IReadOnlyList<byte[]> good, IReadOnlyList<byte[]> more) =>
        from input in Gen.Elements<byte[]>([.. good])
        from changes in Change(input.Length, [.. Fragments, .. more]).NonEmptyListOf().Where(list => list.Count <= 4)
        select Apply(input, changes);

    /// <summary>Any bytes.</summary>
    public static Gen<byte[]> Any { get; } = Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf();

    private static Gen<(int Position, int Cut, byte[] Fragment)> Change(int length, byte[][] fragments) =>
        from position in Gen.Choose(0, length)
        from cut in Gen.Frequency((3, Gen.Constant(0)), (2, Gen.Choose(1, 4)), (1, Gen.Choose(5, 60)))
        from fragment in Gen.Frequency((3, Gen.Elements(fragments)), (1, Gen.Constant(Array.Empty<byte>())))
        select (position, cut, fragment);

    private static byte[] Apply(byte[] input, IEnumerable<(int Position, int Cut, byte[] Fragment)> changes)
    {
        var bytes = input;
        foreach (var (position, cut, fragment) in changes)
        {
            var at = Math.Min(position, bytes.Length);
            bytes = [.. bytes[..at], .. fragment, .. bytes[Math.Min(at + cut, bytes.Length)..]];
        }

        return bytes;
    }
}
