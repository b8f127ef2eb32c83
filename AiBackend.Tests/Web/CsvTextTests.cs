using AiBackend.Web.Costs;

namespace AiBackend.Tests.Web;

public sealed class CsvTextTests
{
    [Theory]
    [InlineData("support", "\"support\"")]
    [InlineData("a \"b\", c", "\"a \"\"b\"\", c\"")]
    [InlineData("=1+1", "\"'=1+1\"")]
    [InlineData("+1", "\"'+1\"")]
    [InlineData("-1", "\"'-1\"")]
    [InlineData("@SUM(A1)", "\"'@SUM(A1)\"")]
    [InlineData("  =1+1", "\"'  =1+1\"")]
    [InlineData("\t=1+1", "\"\uFFFD=1+1\"")]
    [InlineData("\uFF1D1+1", "\"'\uFF1D1+1\"")]
    [InlineData("a\r\n=1+1", "\"a\uFFFD\uFFFD=1+1\"")]
    [InlineData("\u001B[2Jx", "\"\uFFFD[2Jx\"")]
    [InlineData("txt\u202Eexe", "\"txt\uFFFDexe\"")]
    [InlineData("\u200B=1+1", "\"\uFFFD=1+1\"")]
    public void A_53_what_others_wrote_is_text_in_a_spreadsheet(string value, string cell)
    {
        var csv = new CsvText();

        csv.Add([value, 0.5m, -3L, null]);

        Assert.Equal($"{cell},0.5,-3,\r\n", csv.ToString());
    }
}
