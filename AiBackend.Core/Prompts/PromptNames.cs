using System.Globalization;
using System.Text.RegularExpressions;

namespace AiBackend.Core.Prompts;

/// <summary>What prompts, labels and variables may be called.</summary>
public static partial class PromptNames
{
    /// <summary>The label that always says the newest version; nobody sets it.</summary>
    public const string Latest = "latest";

    /// <summary>The label of jobs that name none.</summary>
    public const string Production = "production";

    /// <summary>Whether a prompt or a label may have the name.</summary>
    public static bool IsName(string? name) => name is not null && Name().IsMatch(name);

    /// <summary>Whether a variable may have the name.</summary>
    public static bool IsVariable(string? name) => name is not null && Variable().IsMatch(name);

    /// <summary>A version as jobs show it.</summary>
    public static string Pin(string name, int version) => FormattableString.Invariant($"{name}@{version}");

    /// <summary>Reads what <see cref="Pin"/> wrote.</summary>
    public static (string Name, int Version) Unpin(string pin) =>
        pin.LastIndexOf('@') is var at && int.TryParse(pin.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? (pin[..at], version)
            : throw new FormatException($"{pin} names no version of a prompt.");

    [GeneratedRegex(@"^[a-z0-9][a-z0-9._-]{0,63}\z", RegexOptions.None, 1000)]
    private static partial Regex Name();

    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_]{0,63}\z", RegexOptions.None, 1000)]
    private static partial Regex Variable();
}
