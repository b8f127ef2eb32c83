using System.Globalization;
using System.Text;

namespace AiBackend.Tests.Files;

/// <summary>PDFs, good and hostile.</summary>
internal static class SamplePdfs
{
    /// <summary>A page for each text.</summary>
    public static byte[] Of(params IReadOnlyList<string> pages) =>
        WithContents([.. pages.Select(text => $"BT /F1 12 Tf 20 100 Td ({text}) Tj ET")]);

    /// <summary>A page for each content stream.</summary>
    public static byte[] WithContents(IReadOnlyList<string> contents)
    {
        List<string> objects =
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            $"<</Type/Pages/Kids[{string.Join(' ', contents.Select((_, i) => $"{4 + (2 * i)} 0 R"))}]/Count {contents.Count}>>",
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        ];
        foreach (var content in contents)
        {
            var next = objects.Count + 2;
            objects.Add($"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents {next} 0 R/Resources<</Font<</F1 3 0 R>>>>>>");
            objects.Add($"<</Length {content.Length}>>\nstream\n{content}\nendstream");
        }

        return Write(objects, "");
    }

    /// <summary>One whose words nobody reads without a password.</summary>
    public static byte[] Encrypted =>
        Write(
            ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 0>>"],
            $"/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -44/O<{new string('0', 64)}>/U<{new string('1', 64)}>>>/ID[<00><00>]"
        );

    /// <summary>Nested so deeply that whoever reads it by recursion has no stack left.</summary>
    public static byte[] Deep =>
        Write(
            [
                "<</Type/Catalog/Pages 2 0 R>>",
                $"<</Type/Pages/Kids[]/Count 0/X {string.Concat(Enumerable.Repeat("<</A ", 400_000))}1{string.Concat(Enumerable.Repeat(">>", 400_000))}>>",
            ],
            ""
        );

    private static byte[] Write(List<string> objects, string trailer)
    {
        var pdf = new StringBuilder("%PDF-1.4\n");
        List<int> places = [];
        for (var i = 0; i < objects.Count; i++)
        {
            places.Add(pdf.Length);
            pdf.Append(CultureInfo.InvariantCulture, $"{i + 1} 0 obj\n{objects[i]}\nendobj\n");
        }

        var start = pdf.Length;
        pdf.Append(CultureInfo.InvariantCulture, $"xref\n0 {objects.Count + 1}\n0000000000 65535 f \n");
        foreach (var place in places)
        {
            pdf.Append(CultureInfo.InvariantCulture, $"{place:D10} 00000 n \n");
        }

        pdf.Append(
            CultureInfo.InvariantCulture,
            $"trailer\n<</Size {objects.Count + 1}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF\n"
        );
        return Encoding.Latin1.GetBytes(pdf.ToString());
    }
}
