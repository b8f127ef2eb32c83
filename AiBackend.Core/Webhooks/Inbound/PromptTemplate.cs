using System.Globalization;
using System.Text;
using System.Text.Json;

namespace AiBackend.Core.Webhooks.Inbound;

/// <summary>A text with places, such as <c>{{data.ticket.text}}</c>, for parts of a message. One pass: what a message says is never read as a place.</summary>
public static class PromptTemplate
{
    private const string Open = "{{";
    private const string Close = "}}";
    private const int MostPlaces = 50;
    private const int LongestPath = 128;

    /// <returns>What is wrong with a template, to follow its name; null when nothing is.</returns>
    public static string? Fault(string template)
    {
        var places = 0;
        var fault = Walk(
            template,
            _ => { },
            path =>
            {
                places++;
                return path.Length is > 0 and <= LongestPath
                    && path.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '$');
            }
        );
        return fault ?? (places > MostPlaces ? $"has more than {MostPlaces.ToString(CultureInfo.InvariantCulture)} places." : null);
    }

    /// <returns>The text with what the message has in each place; nothing where it has nothing.</returns>
    public static string Fill(string template, JsonElement message)
    {
        var text = new StringBuilder();
        Walk(
            template,
            part => text.Append(part),
            path =>
            {
                text.Append(Find(message, path));
                return true;
            }
        );
        return text.ToString();
    }

    private static string? Walk(string template, Action<string> onText, Func<string, bool> onPlace)
    {
        var at = 0;
        while (template.IndexOf(Open, at, StringComparison.Ordinal) is >= 0 and var begin)
        {
            onText(template[at..begin]);
            var end = template.IndexOf(Close, begin, StringComparison.Ordinal);
            if (end < 0)
            {
                return "has {{ without }}.";
            }

            var path = template[(begin + Open.Length)..end].Trim();
            if (!onPlace(path))
            {
                return "has a place that is no path of letters, digits, _, -, $ and dots, such as {{data.id}}.";
            }

            at = end + Close.Length;
        }

        onText(template[at..]);
        return null;
    }

    private static string Find(JsonElement message, string path)
    {
        var at = message;
        foreach (var name in path.Split('.'))
        {
            if (at.ValueKind == JsonValueKind.Object && at.TryGetProperty(name, out var member))
            {
                at = member;
            }
            else if (
                at.ValueKind == JsonValueKind.Array
                && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                && index < at.GetArrayLength()
            )
            {
                at = at[index];
            }
            else
            {
                return "";
            }
        }

        return at.ValueKind switch
        {
            JsonValueKind.String => at.GetString()!,
            JsonValueKind.Null or JsonValueKind.Undefined => "",
            _ => at.GetRawText(),
        };
    }
}
