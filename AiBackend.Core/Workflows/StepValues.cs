using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiBackend.Core.Texts;
using static System.FormattableString;

namespace AiBackend.Core.Workflows;

/// <summary>What the values of a run may be: small enough that no run fills the memory of everybody, and such that they can be stored, compared and sent on.</summary>
public static class StepValues
{
    /// <summary>Bytes of what one step gives, or asks its model, as UTF-8.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Bytes of all that the steps of a run give.</summary>
    public const long MaxBytesOfRun = 16 << 20;

    // Less than the wire's 32, because the value is shown within an answer.
    private const int MaxDepth = 24;

    // As it is written here it is as long as UTF-8; what reads it is no HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A text as a value.</summary>
    public static JsonElement OfText(string text)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = Writer(buffer))
        {
            json.WriteStringValue(text);
        }

        return Read(buffer.WrittenMemory);
    }

    /// <summary>Writes values as they are stored.</summary>
    public static Utf8JsonWriter Writer(IBufferWriter<byte> buffer) => new(buffer, Options);

    /// <summary>Reads a value that was found to be one.</summary>
    public static JsonElement Read(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    /// <summary>Reads a stored value.</summary>
    public static JsonElement Read(string json) => Read(Encoding.UTF8.GetBytes(json));

    /// <summary>Reads a text that may be JSON.</summary>
    /// <param name="text">The text.</param>
    /// <param name="fault">Why the JSON cannot be a value, as a sentence; null when it can, or is none.</param>
    /// <returns>Null when it is no JSON, or there is a fault.</returns>
    public static JsonElement? Find(string text, out string? fault)
    {
        var json = Encoding.UTF8.GetBytes(text);
        try
        {
            _ = StorableJson.FaultOf(json, default);
        }
        catch (JsonException)
        {
            fault = null;
            return null;
        }

        fault = FaultOf(json);
        return fault is null ? Read(json) : null;
    }

    /// <returns>Why valid JSON cannot be what a step gives or takes, as a sentence; null when it can.</returns>
    public static string? FaultOf(ReadOnlySpan<byte> json)
    {
        if (json.Length > MaxBytes)
        {
            return TooLarge(json.Length);
        }

        try
        {
            return StorableJson.FaultOf(json, new JsonDocumentOptions { MaxDepth = MaxDepth }) is { } fault
                ? $"It cannot be used: {fault}."
                : null;
        }
        catch (JsonException)
        {
            return Invariant($"It nests deeper than {MaxDepth} levels. Flatten it.");
        }
    }

    /// <summary>What is said of a value that is too large.</summary>
    /// <param name="bytes">As far as it was written.</param>
    public static string TooLarge(long bytes) =>
        Invariant($"It has {bytes} bytes or more; a step gives and asks at most {MaxBytes}. Put less into it, or take parts of values.");

    /// <summary>What is said of a run that keeps too much.</summary>
    public static string TooMuch(long bytes) =>
        Invariant(
            $"The run's steps would give {bytes} bytes together; at most {MaxBytesOfRun} are kept. Let steps give less, or split the workflow."
        );
}
