using System.Collections.Frozen;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace AiBackend.Web.Answers;

/// <summary>The last wall: reads rendered markup the way a browser does and accepts only what is listed here.</summary>
/// <remarks>One thread at a time. It knows nothing of Markdown on purpose. Whatever a parser or renderer gets wrong above is caught by what comes out.</remarks>
internal sealed class AllowedHtml
{
    private readonly IElement _body = new HtmlParser().ParseDocument("<!doctype html><body></body>").Body!;

    private static readonly FrozenSet<string> Elements = (
        "p br hr h3 h4 h5 h6 ul ol li blockquote pre code em strong del a span div table thead tbody tr th td"
    )
        .Split(' ')
        .ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Every element and attribute pair that may occur, with the values it may have; null means any text.</summary>
    private static readonly FrozenDictionary<string, string[]?> Attributes = new Dictionary<string, string[]?>(StringComparer.Ordinal)
    {
        ["a href"] = null,
        ["a target"] = ["_blank"],
        ["a rel"] = ["noopener noreferrer nofollow"],
        ["ol start"] = null,
        ["span class"] = ["link-host", "link-removed", "chip", "control"],
        ["span role"] = ["img"],
        ["span aria-label"] = ["done", "not done"],
        ["div class"] = ["scroll"],
        ["div tabindex"] = ["0"],
        ["div role"] = ["group"],
        ["div aria-label"] = ["Table"],
        ["pre class"] = ["plain"],
        ["pre tabindex"] = ["0"],
        ["pre role"] = ["group"],
        ["pre aria-label"] = null,
        ["ul class"] = ["contains-task-list"],
        ["ol class"] = ["contains-task-list"],
        ["li class"] = ["task-list-item"],
        ["th style"] = ["text-align: left;", "text-align: center;", "text-align: right;"],
        ["td style"] = ["text-align: left;", "text-align: center;", "text-align: right;"],
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The text of the markup when all of it is allowed, else null.</summary>
    public string? TextWhenAllowed(string html)
    {
        _body.InnerHtml = html;
        return _body.Descendants().All(IsAllowed) ? _body.TextContent : null;
    }

    private static bool IsAllowed(INode node) =>
        node switch
        {
            IText => true,
            IElement element => Elements.Contains(element.LocalName)
                && element.NamespaceUri is "http://www.w3.org/1999/xhtml"
                && element.Attributes.All(attribute => IsAllowed(element.LocalName, attribute)),
            _ => false,
        };

    private static bool IsAllowed(string element, IAttr attribute) =>
        Attributes.TryGetValue($"{element} {attribute.Name}", out var values)
        && (values is null || values.Contains(attribute.Value, StringComparer.Ordinal))
        && (attribute.Name is not "href" || LinkPolicy.Allow(attribute.Value) is not null);
}
