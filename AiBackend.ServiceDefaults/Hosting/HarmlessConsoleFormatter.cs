using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>
/// The framework's format for people, in its place and with its name, but without what a terminal would obey: entries name what callers
/// chose, and a name may clear a screen, go back in its line, or turn the order of letters around.
/// </summary>
/// <remarks>The format of Production, JSON, escapes all of that by itself.</remarks>
internal sealed class HarmlessConsoleFormatter(IServiceProvider services) : ConsoleFormatter(ConsoleFormatterNames.Simple)
{
    // Not at once: this is one of those that are asked for.
    private readonly Lazy<ConsoleFormatter> _plain = new(() =>
        services.GetServices<ConsoleFormatter>().Last(formatter => formatter.Name == ConsoleFormatterNames.Simple)
    );

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var said = logEntry.Formatter(logEntry.State, logEntry.Exception) ?? "";
        var all = logEntry.Exception is { } failure ? $"{said} {failure}" : said;
        _plain.Value.Write(
            new LogEntry<string>(logEntry.LogLevel, logEntry.Category, logEntry.EventId, Escape(all), null, static (text, _) => text),
            // Scopes name what callers chose, too, and would go past us.
            null,
            textWriter
        );
    }

    /// <summary>Line feeds stay: the framework makes blanks of them.</summary>
    private static string Escape(string text)
    {
        if (!text.Any(IsObeyed))
        {
            return text;
        }

        var harmless = new StringBuilder(text.Length + 16);
        foreach (var letter in text)
        {
            _ = IsObeyed(letter) ? harmless.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:X4}") : harmless.Append(letter);
        }

        return harmless.ToString();
    }

    private static bool IsObeyed(char letter) =>
        (char.IsControl(letter) && letter is not ('\n' or '\t'))
        // Marks, embeddings, overrides and isolates of direction, and the two separators that some viewers break lines at.
        || letter is '\u061C' or '\u200E' or '\u200F' or (>= '\u2028' and <= '\u202E') or (>= '\u2066' and <= '\u2069');
}
