using System.Globalization;
using System.Text;
using Markdig;
using Markdig.Extensions.EmphasisExtras;
using Markdig.Syntax;

namespace AiBackend.Web.Answers;

/// <summary>Turns a model's Markdown into blocks of HTML that are safe to insert. Model output is hostile input.</summary>
/// <remarks>
/// Extensions are listed one by one: the “advanced” set would let a text choose attributes, styles, ids and frames.
/// Neither disabling HTML nor the renderers are trusted alone; <see cref="AllowedHtml"/> judges what came out.
/// </remarks>
internal static class SafeMarkdown
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder()
        .DisableHtml()
        .UsePipeTables()
        .UseTaskLists()
        .UseEmphasisExtras(EmphasisExtraOptions.Strikethrough)
        .UseAutoLinks()
        .Build();

    /// <summary>Renders the blocks of <paramref name="text"/>.</summary>
    /// <returns>Null when the text defeats the parser; then show it as <see cref="Plain"/>.</returns>
    public static IReadOnlyList<RenderedBlock>? TryRender(string text)
    {
        try
        {
            var allowed = new AllowedHtml();
            var rendered = new List<RenderedBlock>();
            Block? before = null;
            foreach (var block in Markdown.Parse(text, Pipeline).Where(block => block is not LinkReferenceDefinitionGroup))
            {
                rendered.Add(Render(text, block, before, allowed));
                before = block;
            }

            // The table parser leaves an empty paragraph behind when it took all of one.
            rendered.RemoveAll(each => each.Block.Html is "<p></p>\n");
            return rendered;
        }
        catch (Exception)
        {
            // Markdig gives up on hostile nesting by throwing, and whatever else a text makes it throw: it is still worth reading.
            return null;
        }
    }

    /// <summary>The text as it is, for what Markdown cannot be trusted with.</summary>
    public static AnswerBlock Plain(string text) =>
        new($"<pre class=\"plain\">{VisibleControls.InHtml(Escape(text))}</pre>", text, Settled: true);

    /// <summary>Only what means something in HTML: an entity in the place of any other character would hide it from <see cref="VisibleControls"/>.</summary>
    private static string Escape(string text) =>
        new StringBuilder(text).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("\"", "&quot;").ToString();

    private static RenderedBlock Render(string text, Block block, Block? before, AllowedHtml allowed)
    {
        var start = LineStart(text, block.Span.Start);
        var html = Html(block);
        return new RenderedBlock(
            allowed.TextWhenAllowed(html) is { } plain
                ? new AnswerBlock(html, plain.Trim(), Settled: true)
                // A renderer was outwitted: what the block says is shown, what it wants is not done.
                : Plain(text[start..Math.Min(block.Span.End + 1, text.Length)]),
            start,
            IsApart: FollowsBlankLine(text, start) && (before is not ListBlock || text.AsSpan(start).ContainsAny('\n', '\r'))
        );
    }

    private static string Html(Block block)
    {
        using var writer = new StringWriter(CultureInfo.InvariantCulture);
        var renderer = new AnswerRenderer(writer);
        Pipeline.Setup(renderer);
        renderer.Render(block);
        return VisibleControls.InHtml(writer.ToString());
    }

    private static int LineStart(string text, int position) =>
        position <= 0 ? 0 : text.AsSpan(0, Math.Min(position, text.Length)).LastIndexOfAny('\n', '\r') + 1;

    private static bool FollowsBlankLine(string text, int start)
    {
        var before = text.AsSpan(0, start);
        before =
            before.EndsWith("\r\n") ? before[..^2]
            : before.Length > 0 ? before[..^1]
            : before;
        return start > 0 && before[(before.LastIndexOfAny('\n', '\r') + 1)..].IsWhiteSpace();
    }
}

/// <summary>A block and where it begins.</summary>
/// <param name="Block">What to show.</param>
/// <param name="Start">Offset of its first line.</param>
/// <param name="IsApart">True when nothing to come can change what is above it: a blank line is between, and no list could still go on.</param>
internal readonly record struct RenderedBlock(AnswerBlock Block, int Start, bool IsApart);
