using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Conversations;

/// <summary>How much conversations may take, and how long they are kept. Section <c>Conversations</c>; changes need a restart.</summary>
public sealed class ConversationOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Conversations";

    /// <summary>Messages of a conversation; a job that continues a longer one is refused. Default 10 000.</summary>
    [Range(1, 1_000_000)]
    public int MaxMessages { get; set; } = 10_000;

    /// <summary>How long a conversation is kept after its latest message. Default 365 days; 0 keeps all. A tenant's <c>content_days</c> may be shorter.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "36500.00:00:00")]
    public TimeSpan KeepFor { get; set; } = TimeSpan.FromDays(365);
}
