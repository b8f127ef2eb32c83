using System.Text.Json;

namespace AiBackend.Core.Contracts.Rules;

/// <summary>International bank account numbers (ISO 13616): the length of any country, and the check digits.</summary>
internal sealed class IbanRule : IOutputRule
{
    private const int Modulus = 97;

    public string Name => "iban";

    public string? Refuse(JsonElement value) =>
        value.ValueKind == JsonValueKind.String && IsIban(value.GetString()!.Replace(" ", "", StringComparison.Ordinal))
            ? null
            : "must be an IBAN with right check digits.";

    private static bool IsIban(string text) =>
        text.Length is >= 15 and <= 34
        && text.All(char.IsAsciiLetterOrDigit)
        && char.IsAsciiLetterUpper(text[0])
        && char.IsAsciiLetterUpper(text[1])
        && (text[4..] + text[..4]).Aggregate(0, Append) == 1;

    private static int Append(int rest, char digit) =>
        char.IsAsciiDigit(digit)
            ? ((rest * 10) + (digit - '0')) % Modulus
            : ((rest * 100) + (char.ToUpperInvariant(digit) - 'A' + 10)) % Modulus;
}
