using System.ComponentModel.DataAnnotations;

namespace AiBackend.Api.OpenAi;

/// <summary>How calls under /v1 are answered. Section <c>OpenAi</c>; changes need a restart.</summary>
internal sealed class OpenAiOptions
{
    public const string SectionName = "OpenAi";

    /// <summary>Longest that a call without a stream waits for its job, or for its embeddings. Default 30 min, beyond any client's own patience.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "1.00:00:00")]
    public TimeSpan LongestWait { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>Texts that this process turns into vectors at once, because their answers are in memory whole. Default 8 192.</summary>
    [Range(Embeddings.EmbeddingReader.MaxTexts, 1_000_000)]
    public int EmbeddingTextsAtOnce { get; set; } = 8192;

    /// <summary>What requests of more than 1 MB, which bring files along, take of this process's memory at once, in bytes. Default 128 MB.</summary>
    [Range(1L << 20, 1L << 40)]
    public long FileBodyBytesAtOnce { get; set; } = 128 << 20;
}
