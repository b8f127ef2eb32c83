using AiBackend.Api.Files;
using AiBackend.Api.Problems;
using AiBackend.Core.Files;

namespace AiBackend.Api.OpenAi.Files;

/// <summary>An upload as OpenAI's clients send it. The one purpose that is taken is <see cref="FilePurposes.Batch"/>.</summary>
internal sealed class BatchForm() : UploadForm("purpose", Anchor, Seconds)
{
    private const string Anchor = "expires_after[anchor]";
    private const string Seconds = "expires_after[seconds]";

    public override string Purpose => FilePurposes.Batch;

    public override string UsualName => "file.jsonl";

    /// <summary>What it is and not what it says it is: archives, pages, pictures and programs begin otherwise.</summary>
    public override Refusal? CheckHead(ReadOnlySpan<byte> head) =>
        head.TrimStart(" \t\r\n"u8) is [(byte)'{', ..]
            ? null
            : ProblemTypes.InvalidValue.At(
                "file",
                "The file does not begin with a JSON object. Send JSON lines in UTF-8, not packed, one object a line."
            );

    public override Refusal? Check() =>
        this["purpose"] != Purpose
            ? ProblemTypes.InvalidValue.At(
                "purpose",
                $"purpose is {(this["purpose"] is { } sent ? Quoted.Of(sent) : "missing")}; only {Purpose} is taken here."
            )
        : this[Anchor] is null && this[Seconds] is null ? null
        : this[Anchor] is not "created_at" ? ProblemTypes.InvalidValue.At("expires_after", "expires_after[anchor] must be created_at.")
        : CheckLife("expires_after", Seconds);
}
