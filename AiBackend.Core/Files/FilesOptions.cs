using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Files;

/// <summary>How much files may take. Section <c>Files</c>; changes need a restart.</summary>
public sealed class FilesOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Files";

    /// <summary>Largest upload, in bytes. Default 32 MB.</summary>
    [Range(1024, 512L << 20)]
    public long MaxBytes { get; set; } = 32 << 20;

    /// <summary>What all files of a tenant may take together, in bytes. Default 1 GB. What batches answer counts and is written all the same.</summary>
    [Range(1L << 20, 1L << 50)]
    public long MaxBytesPerTenant { get; set; } = 1L << 30;

    /// <summary>How long a file is kept whose owner does not say. Default 30 days.</summary>
    [Range(typeof(TimeSpan), "01:00:00", "365.00:00:00")]
    public TimeSpan KeptFor { get; set; } = TimeSpan.FromDays(30);

    /// <summary>What all files that one job is given may have together, in bytes. Default 16 MB: a worker has them in memory while it asks.</summary>
    [Range(1024, 512L << 20)]
    public long MaxAttachedBytes { get; set; } = 16 << 20;

    /// <summary>What the files of all jobs that a worker runs may have together, in bytes; jobs beyond wait for others to end. Default 128 MB.</summary>
    [Range(1L << 20, 1L << 40)]
    public long MaxAttachedBytesAtOnce { get; set; } = 128 << 20;

    /// <summary>What the texts of these may have together, in bytes, those of PDFs included. Default 1 MB.</summary>
    [Range(1024, 64 << 20)]
    public int MaxAttachedText { get; set; } = 1 << 20;

    /// <summary>Most pages of a PDF. Default 500.</summary>
    [Range(1, 100_000)]
    public int MaxPdfPages { get; set; } = 500;

    /// <summary>How long the text of one PDF may be looked for. Default 20 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan PdfPatience { get; set; } = TimeSpan.FromSeconds(20);
}
