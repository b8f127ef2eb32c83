using System.Globalization;
using System.Text;
using UglyToad.PdfPig;
using UglyToad.PdfPig.DocumentLayoutAnalysis.TextExtractor;
using UglyToad.PdfPig.Exceptions;
using static System.FormattableString;

namespace AiBackend.Worker.Execution.Attached;

/// <summary>How the reading of a PDF ended; an exit code. Any other one is that of a process that died.</summary>
internal enum PdfReaderEnd
{
    Read = 0,
    TooManyPages = 10,
    TooMuchText = 11,
    Encrypted = 12,
    NoText = 13,
    Broken = 14,
}

/// <summary>The whole of a process that reads one PDF: the document comes as standard input, and its text goes to standard output.</summary>
internal static class PdfReader
{
    /// <summary>First argument of such a process; the second is the most pages, the third the most bytes of text, and the fourth its patience in milliseconds.</summary>
    public const string Command = "read-pdf";

    public static int Run(IReadOnlyList<string> arguments)
    {
        // Whoever started it may be gone, and with it whoever would end it.
        using var end = new Timer(
            _ => Environment.Exit((int)PdfReaderEnd.Broken),
            null,
            int.Parse(arguments[3], CultureInfo.InvariantCulture),
            Timeout.Infinite
        );
        using var input = Console.OpenStandardInput();
        using var output = Console.OpenStandardOutput();
        using var pdf = new MemoryStream();
        input.CopyTo(pdf);
        var maxPages = int.Parse(arguments[1], CultureInfo.InvariantCulture);
        var room = int.Parse(arguments[2], CultureInfo.InvariantCulture);
        return (int)Read(pdf.ToArray(), maxPages, room, output);
    }

    private static PdfReaderEnd Read(byte[] pdf, int maxPages, int room, Stream output)
    {
        try
        {
            using var document = PdfDocument.Open(pdf, new ParsingOptions { UseLenientParsing = true, SkipMissingFonts = true });
            if (document.NumberOfPages > maxPages)
            {
                return PdfReaderEnd.TooManyPages;
            }

            var hasText = false;
            foreach (var page in document.GetPages())
            {
                var text = ContentOrderTextExtractor.GetText(page, addDoubleNewline: true).Trim();
                hasText |= text.Length > 0;
                // Models take no U+0000.
                var bytes = Encoding.UTF8.GetBytes(
                    Invariant($"[Page {page.Number}]\n{text.Replace("\0", "", StringComparison.Ordinal)}\n")
                );
                if ((room -= bytes.Length) < 0)
                {
                    return PdfReaderEnd.TooMuchText;
                }

                output.Write(bytes);
            }

            return hasText ? PdfReaderEnd.Read : PdfReaderEnd.NoText;
        }
        catch (PdfDocumentEncryptedException)
        {
            return PdfReaderEnd.Encrypted;
        }
#pragma warning disable CA1031 // Whatever it is, the document is to blame: nothing else is in this process.
        catch (Exception)
        {
            return PdfReaderEnd.Broken;
        }
#pragma warning restore CA1031
    }
}
