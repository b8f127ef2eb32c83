using AiBackend.Api.Files;
using AiBackend.Api.Problems;
using AiBackend.Core.Files;

namespace AiBackend.Api.OpenAi.Files;

/// <summary>An upload as OpenAI's clients send it: lines of a batch, or what messages name.</summary>
internal sealed class OpenAiFileForm() : UploadForm("purpose", Anchor, Seconds)
{
    private const string Anchor = "expires_after[anchor]";
    private const string Seconds = "expires_after[seconds]";

    private static readonly Refusal NoLines = ProblemTypes.InvalidValue.At(
        "file",
        "The file does not begin with a JSON object. Send JSON lines in UTF-8, not packed, one object a line."
    );

    private bool _hasLines;

    public override string Purpose => FilePurpose.Parse(this["purpose"]) ?? FilePurposes.Batch;

    public override string Kind => Purpose == FilePurposes.Batch ? "" : $"\0{Purpose}";

    public override string UsualName => Purpose == FilePurposes.Batch ? "file.jsonl" : "file";

    /// <summary>What it is and not what it says it is: archives, pages, pictures and programs begin otherwise.</summary>
    public override Refusal? CheckHead(ReadOnlySpan<byte> head)
    {
        _hasLines = head.TrimStart(" \t\r\n"u8) is [(byte)'{', ..];
        // Its purpose may come behind it; then it is looked at once all has come.
        return this["purpose"] is null || Purpose != FilePurposes.Batch || _hasLines ? null : NoLines;
    }

    public override Refusal? Check() =>
        FilePurpose.Parse(this["purpose"]) is null
            ? ProblemTypes.InvalidValue.At(
                "purpose",
                $"purpose is {(this["purpose"] is { } sent ? Quoted.Of(sent) : "missing")}; {FilePurpose.Known} are taken here."
            )
        : Purpose == FilePurposes.Batch && !_hasLines ? NoLines
        : this[Anchor] is null && this[Seconds] is null ? null
        : this[Anchor] is not "created_at" ? ProblemTypes.InvalidValue.At("expires_after", "expires_after[anchor] must be created_at.")
        : CheckLife("expires_after", Seconds);
}

/// <summary>What files are for, in OpenAI's words.</summary>
internal static class FilePurpose
{
    public const string Known = "batch, user_data, vision and assistants";

    private const string UserData = "user_data";

    /// <returns>One of <see cref="FilePurposes"/>; null when nothing is uploaded for it.</returns>
    public static string? Parse(string? purpose) =>
        purpose switch
        {
            FilePurposes.Batch => FilePurposes.Batch,
            UserData or "vision" or "assistants" => FilePurposes.Attachment,
            _ => null,
        };

    public static string Of(string purpose) => purpose == FilePurposes.Attachment ? UserData : purpose;

    /// <summary>The purpose that a list is asked for.</summary>
    public static string? OfList(string? purpose) => Parse(purpose) ?? purpose;
}
