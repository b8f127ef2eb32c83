using System.ComponentModel.DataAnnotations;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>How events are streamed. Section <c>Streaming</c>; changes need a restart.</summary>
internal sealed class StreamingOptions
{
    public const string SectionName = "Streaming";

    /// <summary>Longest silence on a stream before a comment is sent. Default 10 s; proxies commonly close after 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:00:15")]
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Time between two checks of the keys of open streams. Default 10 s: a revoked key reads on for no longer.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:00:30")]
    public TimeSpan KeyCheck { get; set; } = TimeSpan.FromSeconds(10);
}
