using System.Text;
using Markdig;

namespace AiBackend.Api.Problems;

/// <summary><c>/problems</c> and <c>/problems/{slug}</c>: what a problem means, for whoever follows its address.</summary>
internal static class ProblemPages
{
    private static readonly Lazy<Dictionary<string, byte[]>> Pages = new(RenderAll);

    public static void MapProblemPages(this IEndpointRouteBuilder app)
    {
        var pages = app.MapGroup("/problems").AllowAnonymous().ExcludeFromDescription();
        pages.MapGet("", context => AnswerAsync(context, ""));
        pages.MapGet("/{slug}", context => AnswerAsync(context, (string)context.Request.RouteValues["slug"]!));
    }

    /// <summary>docs/problems.md in parts: by slug, and what comes before the first under the empty one.</summary>
    public static IReadOnlyDictionary<string, string> ReadSections()
    {
        using var stream = typeof(ProblemPages).Assembly.GetManifestResourceStream("problems.md")!;
        using var reader = new StreamReader(stream);
        var sections = reader.ReadToEnd().Split("\n## ");
        return sections
            .Skip(1)
            .Select(section => KeyValuePair.Create(section[..section.IndexOf('\n', StringComparison.Ordinal)].Trim(), "# " + section))
            .Prepend(KeyValuePair.Create("", sections[0]))
            .ToDictionary(StringComparer.Ordinal);
    }

    private static Task AnswerAsync(HttpContext context, string slug)
    {
        if (!Pages.Value.TryGetValue(slug, out var page))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        var response = context.Response;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = page.Length;
        response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
        response.Headers.CacheControl = "public, max-age=3600";
        response.Headers["Referrer-Policy"] = "no-referrer";
        return response.Body.WriteAsync(page, context.RequestAborted).AsTask();
    }

    private static Dictionary<string, byte[]> RenderAll()
    {
        var sections = ReadSections();
        var list = string.Join('\n', sections.Keys.Where(slug => slug.Length > 0).Select(slug => $"- [{slug}](/problems/{slug})"));
        return sections.ToDictionary(
            section => section.Key,
            section =>
                Page(
                    section.Key,
                    section.Key.Length == 0 ? section.Value + "\n\n" + list : section.Value + "\n\n[All problems](/problems)"
                ),
            StringComparer.Ordinal
        );
    }

    private static byte[] Page(string title, string markdown) =>
        Encoding.UTF8.GetBytes(
            $$"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{{(title.Length == 0 ? "Problems" : title)}} · AiBackend</title>
            <style>
            :root { color-scheme: light dark; }
            body { font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
            pre { overflow-x: auto; padding: 1rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 6px; }
            code { font: 0.9em/1.5 ui-monospace, monospace; }
            </style>
            </head>
            <body>
            {{Markdown.ToHtml(markdown, new MarkdownPipelineBuilder().DisableHtml().Build())}}
            </body>
            </html>
            """
        );
}
