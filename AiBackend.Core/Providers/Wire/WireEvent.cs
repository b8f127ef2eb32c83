using System.Text.Json;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Providers.Wire;

/// <summary>What the events of a provider's stream have said. One instance serves a whole stream, so that reading allocates nothing but the text.</summary>
/// <remarks>Members a protocol does not know are skipped; null is as good as missing; a known member of the wrong kind is a <see cref="JsonException"/>.</remarks>
internal abstract class WireEvent
{
    /// <summary>What a provider's own word becomes that is no word.</summary>
    private const string UnknownReason = "unknown";

    // Longer than any there is. What comes in their place is told callers and telemetry, which is no place for texts.
    private const int LongestReason = 64;
    private const int LongestModel = 128;

    private readonly DeltaText _text = new();

    /// <summary>Whether any event has been read.</summary>
    public bool IsUsed { get; private set; }

    /// <summary>Whether the provider has said that nothing follows.</summary>
    public bool IsEnd { get; protected set; }

    /// <summary>New text of this event; empty when it has none.</summary>
    public string Text { get; private set; } = "";

    /// <summary>Whether the model showed a sign of work in this event other than text.</summary>
    public bool IsThinking { get; protected set; }

    /// <summary>The tools it asked for so far.</summary>
    public ToolCallParts ToolCalls { get; } = new();

    /// <summary>Set once the provider has said why it stopped: in OpenAI's words where there is one.</summary>
    public string? FinishReason { get; protected set; }

    /// <summary>The model the provider says it used.</summary>
    public string? ModelVersion { get; private set; }

    /// <summary>Whether the provider says that it is a simulation.</summary>
    public bool IsSimulated { get; protected set; }

    /// <summary>The last token counts; null when there were none, or none that can be true.</summary>
    public abstract TokenUsage? Usage { get; }

    /// <summary>Whether it said a count that cannot be true.</summary>
    public abstract bool IsUsageDisputed { get; }

    /// <summary>An error object, when the provider failed inside its own stream.</summary>
    public ProviderErrorBody? Error { get; private set; }

    /// <summary>Replaces the text and adds to the rest.</summary>
    /// <exception cref="JsonException">It is no JSON, or none of this protocol.</exception>
    public void Read(ReadOnlySpan<byte> data)
    {
        Text = "";
        IsThinking = false;
        if (IsEndMark(data))
        {
            IsEnd = true;
            return;
        }

        try
        {
            ReadObject(data);
        }
        catch (InvalidOperationException problem)
        {
            // The syntax allows escapes for half of a character, and the reader meets a name that has one with an exception of its own.
            throw new JsonException("A name or a text is none.", problem);
        }
    }

    /// <summary>Text still held back when the stream ended; empty in every sane stream.</summary>
    public string TakeRest() => _text.TakeRest();

    /// <summary>Whether the data is the protocol's way to say, without JSON, that nothing follows.</summary>
    protected virtual bool IsEndMark(ReadOnlySpan<byte> data) => false;

    /// <summary>Reads the member whose name the reader stands on, or skips it, to the end of its value.</summary>
    protected abstract void ReadMember(ref Utf8JsonReader reader);

    /// <summary>Reads the value of a member with text of the answer.</summary>
    protected void ReadText(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.Null)
        {
            Expect(ref reader, JsonTokenType.String);
            Text += _text.Read(ref reader);
        }
    }

    /// <summary>Reads the value of a member with the name of the model.</summary>
    protected void ReadModel(ref Utf8JsonReader reader)
    {
        reader.Read();
        // The same in every event, so it becomes a string only once.
        if (reader.TokenType == JsonTokenType.String && (ModelVersion is null || !reader.ValueTextEquals(ModelVersion)))
        {
            ModelVersion = StorableText.Of(DeltaText.Readable(ref reader), LongestModel);
        }
        else
        {
            reader.Skip();
        }
    }

    /// <summary>The reason the reader stands on, where this protocol does not know it: a word, or nobody knows what.</summary>
    /// <returns>Null where nothing is said: some servers send an empty one with every piece.</returns>
    protected static string? ReadReason(ref Utf8JsonReader reader)
    {
        var reason = DeltaText.Readable(ref reader);
        return reason.Length == 0 ? null
            : reason.Length <= LongestReason && reason.All(each => char.IsAsciiLetterOrDigit(each) || each is '_' or '-' or '.') ? reason
            : UnknownReason;
    }

    /// <summary>Enters the value of a member that is an object.</summary>
    /// <returns>False when it is null.</returns>
    protected static bool Enter(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
        {
            return false;
        }

        Expect(ref reader, JsonTokenType.StartObject);
        return true;
    }

    protected static bool NextMember(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.TokenType == JsonTokenType.PropertyName;
    }

    protected static void SkipMember(ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }

    protected static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (reader.TokenType != type)
        {
            throw new JsonException($"Expected {type}, found {reader.TokenType}.");
        }
    }

    private void ReadObject(ReadOnlySpan<byte> data)
    {
        var reader = new Utf8JsonReader(data);
        reader.Read();
        Expect(ref reader, JsonTokenType.StartObject);
        IsUsed = true;
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("error"u8))
            {
                reader.Read();
                Error = ProviderErrorBody.Read(ref reader);
            }
            else
            {
                ReadMember(ref reader);
            }
        }

        // Bytes after the object would be another protocol.
        reader.Read();
    }
}
