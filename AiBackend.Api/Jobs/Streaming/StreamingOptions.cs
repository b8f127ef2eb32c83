using System.ComponentModel.DataAnnotations;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>How events are streamed. Section <c>Streaming</c>; changes need a restart.</summary>
internal sealed class StreamingOptions
{
    public const string SectionName = "Streaming";

    /// <summary>Longest silence on a stream before a comment is sent. Default 10 s; proxies commonly close after 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:00:15")]
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Time between two checks of the keys of open streams. Default 0.2 s, which costs a look into memory: with the 4.5 s for which a key is known, a revoked one
    /// reads on for 5 s at most.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:00:30")]
    public TimeSpan KeyCheck { get; set; } = TimeSpan.FromSeconds(0.2);
}
