using Markdig.Extensions.Tables;
using Markdig.Extensions.TaskLists;
using Markdig.Renderers;
using Markdig.Renderers.Html;
using Markdig.Renderers.Html.Inlines;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace AiBackend.Web.Answers;

/// <summary>Writes a parsed answer as HTML that has no script, no foreign request and no attribute the model chose.</summary>
internal sealed class AnswerRenderer : HtmlRenderer
{
    public AnswerRenderer(TextWriter writer)
        : base(writer)
    {
        ObjectRenderers.ReplaceOrAdd<LinkInlineRenderer>(new AnswerLinks());
        ObjectRenderers.ReplaceOrAdd<AutolinkInlineRenderer>(new AnswerAutolinks());
        ObjectRenderers.ReplaceOrAdd<HeadingRenderer>(new AnswerHeadings());
        ObjectRenderers.ReplaceOrAdd<CodeBlockRenderer>(new AnswerCode());
        ObjectRenderers.ReplaceOrAdd<HtmlTableRenderer>(new AnswerTables());
        ObjectRenderers.ReplaceOrAdd<HtmlTaskListRenderer>(new AnswerTasks());
    }

    /// <summary>Links do not nest in HTML; an image inside a link is only named.</summary>
    public bool InsideLink { get; set; }

    /// <summary>Writes a link around <paramref name="label"/>, with its target in sight, or only the label when the address is not allowed.</summary>
    public void WriteLink(string? address, bool showTarget, Action label)
    {
        var target = LinkPolicy.Allow(address);
        if (target is null || InsideLink)
        {
            label();
            if (target is null)
            {
                Write("<span class=\"link-removed\"> (link removed)</span>");
            }

            return;
        }

        Write("<a href=\"").WriteEscape(target.AbsoluteUri);
        Write("\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">");
        InsideLink = true;
        label();
        InsideLink = false;
        Write("</a>");
        if (showTarget)
        {
            Write("<span class=\"link-host\"> ").WriteEscape(LinkPolicy.Target(target));
            Write("</span>");
        }
    }
}

internal sealed class AnswerLinks : HtmlObjectRenderer<LinkInline>
{
    protected override void Write(HtmlRenderer renderer, LinkInline obj)
    {
        var answer = (AnswerRenderer)renderer;
        var address = obj.GetDynamicUrl?.Invoke() ?? obj.Url;
        answer.WriteLink(
            address,
            showTarget: !obj.IsAutoLink,
            () =>
            {
                if (obj.IsImage)
                {
                    // Loading a picture would tell its host who reads this, so it is offered instead.
                    answer.Write("<span class=\"chip\">Image: ");
                }

                if (obj.FirstChild is null)
                {
                    answer.WriteEscape(address ?? "");
                }
                else
                {
                    answer.WriteChildren(obj);
                }

                if (obj.IsImage)
                {
                    answer.Write("</span>");
                }
            }
        );
    }
}

internal sealed class AnswerAutolinks : HtmlObjectRenderer<AutolinkInline>
{
    protected override void Write(HtmlRenderer renderer, AutolinkInline obj) =>
        ((AnswerRenderer)renderer).WriteLink(
            obj.IsEmail ? "mailto:" + obj.Url : obj.Url,
            showTarget: false,
            () => renderer.WriteEscape(obj.Url)
        );
}

/// <summary>Headings move down two levels: the page has its own first and second.</summary>
internal sealed class AnswerHeadings : HtmlObjectRenderer<HeadingBlock>
{
    protected override void Write(HtmlRenderer renderer, HeadingBlock obj)
    {
        var tag = "h" + (char)('0' + Math.Min(obj.Level + 2, 6));
        renderer.Write('<').Write(tag).Write('>');
        renderer.WriteLeafInline(obj);
        renderer.Write("</").Write(tag).WriteLine(">");
    }
}

/// <summary>Code scrolls sideways, so it can be reached by keyboard; its language is told, not turned into a class.</summary>
internal sealed class AnswerCode : HtmlObjectRenderer<CodeBlock>
{
    private const int MaxLanguageLength = 24;

    protected override void Write(HtmlRenderer renderer, CodeBlock obj)
    {
        var language = (obj as FencedCodeBlock)?.Info?.Trim() is { Length: > 0 and <= MaxLanguageLength } info ? info : "";
        renderer.Write("<pre tabindex=\"0\" role=\"group\" aria-label=\"Code ").WriteEscape(language);
        renderer.Write("\"><code>");
        renderer.WriteLeafRawLines(obj, writeEndOfLines: true, escape: true);
        renderer.WriteLine("</code></pre>");
    }
}

internal sealed class AnswerTables : HtmlTableRenderer
{
    protected override void Write(HtmlRenderer renderer, Table table)
    {
        renderer.Write("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">");
        base.Write(renderer, table);
        renderer.WriteLine("</div>");
    }
}

internal sealed class AnswerTasks : HtmlObjectRenderer<TaskList>
{
    protected override void Write(HtmlRenderer renderer, TaskList obj) =>
        renderer.Write(
            obj.Checked ? "<span role=\"img\" aria-label=\"done\">☑</span>" : "<span role=\"img\" aria-label=\"not done\">☐</span>"
        );
}
