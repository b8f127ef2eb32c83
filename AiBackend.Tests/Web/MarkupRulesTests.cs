using System.Reflection;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace AiBackend.Tests.Web;

/// <summary>Rules on the site's own sources that no compiler checks.</summary>
public sealed class MarkupRulesTests
{
    /// <summary>Their markup carries inline handlers, which the content security policy forbids.</summary>
    private const string Banned =
        "<Radzen(Numeric|DatePicker|TimeSpanPicker|DropDown|DropDownDataGrid|Lookup|AutoComplete|ListBox|SplitButton|ColorPicker|HtmlEditor)\\b";

    private static readonly string Web = Path.Combine(Repository(), "AiBackend.Web");

    [Fact]
    public void No_page_uses_a_component_with_inline_script() =>
        Assert.All(Sources("*.razor"), file => Assert.DoesNotMatch(Banned, File.ReadAllText(file)));

    [Fact]
    public void No_page_has_an_inline_handler_script_or_style_element() =>
        Assert.All(
            Sources("*.razor"),
            file => Assert.DoesNotMatch("(\\son[a-z]+=\"|<script(?![^>]*\\ssrc=)|<style|javascript:)", File.ReadAllText(file))
        );

    [Fact]
    public void Nothing_is_loaded_from_elsewhere() =>
        Assert.All(
            Sources("*.razor").Concat(Sources("*.css")).Concat(Sources("*.js")),
            file => Assert.DoesNotMatch("(src|href|url\\(|import|fetch\\()\\W{0,3}(https?:)?//", File.ReadAllText(file))
        );

    [Fact]
    public void Styles_take_every_colour_from_the_tokens() =>
        Assert.All(
            Sources("*.css").Where(file => !file.EndsWith("tokens.css", StringComparison.Ordinal)),
            file => Assert.DoesNotMatch("#[0-9a-fA-F]{3,8}\\b", File.ReadAllText(file))
        );

    [Fact]
    public void Markup_made_from_a_string_is_written_in_two_known_places() =>
        Assert.Equal(
            ["AiIcon.razor", "AnswerPart.razor"],
            Sources("*.razor")
                .Where(file => Regex.IsMatch(File.ReadAllText(file), "MarkupString|AddMarkupContent"))
                .Select(Path.GetFileName)
                .Order(StringComparer.Ordinal)
        );

    [Fact]
    public void The_copy_of_the_framework_script_is_the_one_its_readme_names()
    {
        var folder = Path.Combine(Web, "wwwroot", "_framework");

        var digest = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, "blazor.web.js"))));

        Assert.Contains(digest, File.ReadAllText(Path.Combine(folder, "README.md")), StringComparison.Ordinal);
    }

    [Fact]
    public void The_site_knows_the_api_only_by_its_contracts() =>
        Assert.Equal(
            ["AiBackend.ApiContracts", "AiBackend.ServiceDefaults"],
            Assembly
                .Load("AiBackend.Web")
                .GetReferencedAssemblies()
                .Select(reference => reference.Name!)
                .Where(name => name.StartsWith("AiBackend.", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
        );

    private static IEnumerable<string> Sources(string pattern) =>
        Directory.EnumerateFiles(Web, pattern, SearchOption.AllDirectories).Where(file => !Regex.IsMatch(file, "/(bin|obj|_framework)/"));

    private static string Repository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "AiBackend.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiBackend.sln is not above the tests.");
        }

        return folder;
    }
}
