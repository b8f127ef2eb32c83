using AiBackend.Api.Problems;
using AiBackend.Core.Files;

namespace AiBackend.Api.Files;

/// <summary>An upload of the native API: any file, of which what it is decides what it is good for.</summary>
internal sealed class AttachmentForm() : UploadForm(Life)
{
    private const string Life = "expires_after";

    public override string Purpose => FilePurposes.Attachment;

    public override string UsualName => "file";

    public override Refusal? Check() => this[Life] is null ? null : CheckLife(Life, Life);
}
