namespace AiBackend.Core.Files;

/// <summary>What files are told apart as. Everything else is <see cref="Unknown"/>: kept, and given to no model.</summary>
public static class MediaTypes
{
    /// <summary>Text in UTF-8.</summary>
    public const string Text = "text/plain";

    /// <summary>Such text whose name says that it is Markdown.</summary>
    public const string Markdown = "text/markdown";

    /// <summary>Such text whose name says that it is a table.</summary>
    public const string Csv = "text/csv";

    /// <summary>One JSON object or array.</summary>
    public const string Json = "application/json";

    /// <summary>A PDF document.</summary>
    public const string Pdf = "application/pdf";

    /// <summary>A picture.</summary>
    public const string Png = "image/png";

    /// <summary>A picture.</summary>
    public const string Jpeg = "image/jpeg";

    /// <summary>A picture.</summary>
    public const string Gif = "image/gif";

    /// <summary>A picture.</summary>
    public const string WebP = "image/webp";

    /// <summary>Anything else.</summary>
    public const string Unknown = "application/octet-stream";

    /// <summary>What models are given as text.</summary>
    public static bool IsText(string type) => type is Text or Markdown or Csv or Json;

    /// <summary>What models are given as a picture.</summary>
    public static bool IsImage(string type) => type is Png or Jpeg or Gif or WebP;

    /// <summary>Whether models can be given such a file.</summary>
    public static bool IsAttachable(string type) => IsText(type) || IsImage(type) || type == Pdf;
}
