using System.Globalization;
using System.Text;

namespace AiBackend.Web.Costs;

/// <summary>Rows for a spreadsheet, which must show what others wrote and never run it.</summary>
internal sealed class CsvText
{
    // What spreadsheets take for the begin of a formula, the wide forms included.
    private const string Formula = "=+-@\uFF1D\uFF0B\uFF0D\uFF20";

    private readonly StringBuilder _text = new();

    public void Add(params IEnumerable<object?> cells) => _text.AppendJoin(',', cells.Select(Cell)).Append("\r\n");

    public override string ToString() => _text.ToString();

    private static string Cell(object? value) =>
        value switch
        {
            null => "",
            string text => Text(text),
            // Numbers and days are ours.
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => Text(value.ToString() ?? ""),
        };

    private static string Text(string text)
    {
        var shown = string.Concat(text.Select(letter => IsHidden(letter) ? '\uFFFD' : letter));
        var isFormula = shown.TrimStart() is { Length: > 0 } begin && Formula.Contains(begin[0], StringComparison.Ordinal);
        return $"\"{(isFormula ? "'" : "")}{shown.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    /// <summary>Control characters, and those that turn the direction of what follows.</summary>
    private static bool IsHidden(char letter) =>
        char.IsControl(letter) || CharUnicodeInfo.GetUnicodeCategory(letter) is UnicodeCategory.Format or UnicodeCategory.LineSeparator;
}
