using AiBackend.Api.Files;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Looks at the members <c>attachments</c> and <c>artifact</c> of a body. Whether there are such files is seen when the job is new.</summary>
internal static class JobFileRules
{
    public static void Check(SubmitJobRequest request, FieldErrors errors)
    {
        CheckAttachments(request.Attachments, errors);
        if (request.Artifact is { } artifact)
        {
            CheckArtifact(artifact, request, errors);
        }
    }

    /// <summary>Without what they are: two requests that name the same files ask for the same.</summary>
    public static IReadOnlyList<JobFile>? Asked(IReadOnlyList<Attachment>? attachments) =>
        attachments is { Count: > 0 } ? [.. attachments.Select(each => new JobFile(each.File!.Value, "", "", 0))] : null;

    private static void CheckAttachments(IReadOnlyList<Attachment>? attachments, FieldErrors errors)
    {
        if (attachments?.Count > Attachment.Most)
        {
            errors.Add("attachments", $"has {attachments.Count} files; at most {Attachment.Most} are allowed.");
            return;
        }

        for (var i = 0; i < attachments?.Count; i++)
        {
            if (attachments[i]?.File is not { } file)
            {
                errors.Add(FormattableString.Invariant($"attachments[{i}].file"), "is missing; send the id of a file.");
            }
            else if (attachments.Take(i).Any(other => other?.File == file))
            {
                errors.Add(FormattableString.Invariant($"attachments[{i}].file"), $"is {file} once more; name each file once.");
            }
        }
    }

    private static void CheckArtifact(ArtifactRequest artifact, SubmitJobRequest request, FieldErrors errors)
    {
        if (artifact.Name is not { Length: > 0 } name)
        {
            errors.Add("artifact.name", "is missing; say what the file is to be called.");
        }
        else if (FileNames.Clean(name, "") != name)
        {
            errors.Add(
                "artifact.name",
                $"is {Quoted.Of(name)}; it must be a file name of at most 255 characters, without a path and controls."
            );
        }

        if (artifact.Type is null || !ArtifactTypes.All.Contains(artifact.Type, StringComparer.Ordinal))
        {
            errors.Add(
                "artifact.type",
                $"is {(artifact.Type is null ? "missing" : Quoted.Of(artifact.Type))}; it must be one of {string.Join(", ", ArtifactTypes.All)}."
            );
        }
        else if (request.Contract is not null && artifact.Type != ArtifactTypes.Json)
        {
            errors.Add(
                "artifact.type",
                $"is {artifact.Type}; an answer with a contract is JSON. Send {ArtifactTypes.Json}, or leave contract out."
            );
        }
    }
}
