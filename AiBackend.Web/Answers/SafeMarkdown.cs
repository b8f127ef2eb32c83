using System.Globalization;
using System.Net;
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

    /// <summary>Renders the blocks of <paramref name="text"/>, each with the offset at which it begins.</summary>
    /// <returns>Null when the text defeats the parser or the outcome is not allowed; then show it as <see cref="Plain"/>.</returns>
    public static IReadOnlyList<(int Start, AnswerBlock Block)>? TryRender(string text)
    {
        try
        {
            var document = Markdown.Parse(text, Pipeline);
            var blocks = new List<(int, AnswerBlock)>(document.Count);
            foreach (var block in document)
            {
                if (block is LinkReferenceDefinitionGroup)
                {
                    continue;
                }

                var html = Render(block);
                if (AllowedHtml.TextWhenAllowed(html) is not { } plain)
                {
                    return null;
                }

                blocks.Add((LineStart(text, block.Span.Start), new AnswerBlock(html, plain.Trim(), Settled: true)));
            }

            return blocks;
        }
        catch (Exception failure) when (failure is ArgumentException or InvalidOperationException or IndexOutOfRangeException)
        {
            // Markdig gives up on hostile nesting by throwing; the text is still worth reading.
            return null;
        }
    }

    /// <summary>The text as it is, for what Markdown cannot be trusted with.</summary>
    public static AnswerBlock Plain(string text) =>
        new($"<pre class=\"plain\">{VisibleControls.InHtml(WebUtility.HtmlEncode(text))}</pre>", text, Settled: true);

    private static string Render(Block block)
    {
        using var writer = new StringWriter(CultureInfo.InvariantCulture);
        var renderer = new AnswerRenderer(writer);
        Pipeline.Setup(renderer);
        renderer.Render(block);
        return VisibleControls.InHtml(writer.ToString());
    }

    private static int LineStart(string text, int position) =>
        position <= 0 ? 0 : text.LastIndexOf('\n', Math.Min(position, text.Length) - 1) + 1;
}
