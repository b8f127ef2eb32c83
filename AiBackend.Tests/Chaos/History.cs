using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiBackend.Tests.Chaos;

/// <summary>What became of one operation, as its caller knows it. <see cref="Info"/> is "unknown": it may or may not have happened.</summary>
internal enum Phase
{
    Invoke,
    Ok,
    Fail,
    Info,
}

/// <summary>One line of a history.</summary>
internal sealed record HistoryEntry
{
    public required DateTimeOffset At { get; init; }

    /// <summary>One of <see cref="Operations"/>.</summary>
    public required string Op { get; init; }

    public required Phase Phase { get; init; }

    /// <summary>The idempotency key of the job that it is about.</summary>
    public string? Key { get; init; }

    public Guid? Job { get; init; }

    /// <summary>HTTP status of the answer.</summary>
    public int? Status { get; init; }

    /// <summary>The right answer of a submitted job; what a reader folded.</summary>
    public string? Text { get; init; }

    /// <summary>The final status a reader saw.</summary>
    public string? State { get; init; }

    /// <summary>How often a reader saw the end.</summary>
    public int? Finals { get; init; }

    /// <summary>Connections a reader needed.</summary>
    public int? Connections { get; init; }

    /// <summary>What broke the rules of the stream while it was read; which process a fault hit.</summary>
    public string? Detail { get; init; }

    /// <summary>The process a fault hit.</summary>
    public int? ProcessId { get; init; }
}

internal static class Operations
{
    public const string Submit = "submit";
    public const string SubmitOther = "submit_other_body";
    public const string Cancel = "cancel";
    public const string Read = "read";
    public const string Kill = "kill";
    public const string Terminate = "terminate";
    public const string RedisLost = "redis_lost";
    public const string RedisBack = "redis_back";
}

/// <summary>Everything that clients and the tormentor did, in order, kept in a file too: what a failed run leaves behind.</summary>
internal sealed class History(string file) : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Lock _gate = new();
    private readonly List<HistoryEntry> _entries = [];
    private readonly StreamWriter _lines = new(file) { AutoFlush = true };

    public string File => file;

    public IReadOnlyList<HistoryEntry> Entries
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries];
            }
        }
    }

    public void Add(HistoryEntry entry)
    {
        lock (_gate)
        {
            _entries.Add(entry);
            _lines.WriteLine(JsonSerializer.Serialize(entry, Json));
        }
    }

    public void Dispose() => _lines.Dispose();

    public static IReadOnlyList<HistoryEntry> Read(string file) =>
        [.. System.IO.File.ReadLines(file).Select(line => JsonSerializer.Deserialize<HistoryEntry>(line, Json)!)];
}
