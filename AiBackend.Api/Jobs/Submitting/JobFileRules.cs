using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Files;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Looks at the members <c>attachments</c> and <c>artifact</c> of a body. Whether there are such files is seen when the job is new.</summary>
internal static class JobFileRules
{
    private static readonly string[] Details = ["auto", "low", "high"];

    /// <param name="request">The body.</param>
    /// <param name="inMessages">Files that messages of its input name.</param>
    /// <param name="errors">Faults are added here.</param>
    public static void Check(SubmitJobRequest request, IReadOnlyDictionary<Guid, int> inMessages, FieldErrors errors)
    {
        CheckAttachments(request.Attachments, errors);
        CheckTogether(request.Attachments ?? [], inMessages, errors);
        if (request.Artifact is { } artifact)
        {
            CheckArtifact(artifact, request.Contract, "artifact", errors);
        }
    }

    /// <summary>The files of one message.</summary>
    public static void CheckMessage(ChatMessageInput message, string place, FieldErrors errors)
    {
        if (message.Attachments is { Count: > 0 } && message.Role != "user")
        {
            errors.Add(place + ".attachments", "is only for the role user.");
            return;
        }

        for (var i = 0; i < message.Attachments?.Count; i++)
        {
            var at = FormattableString.Invariant($"{place}.attachments[{i}]");
            if (message.Attachments[i]?.File is null)
            {
                errors.Add(at + ".file", "is missing; send the id of a file.");
            }
            else if (message.Attachments.Take(i).Any(other => other?.File == message.Attachments[i].File))
            {
                errors.Add(at + ".file", $"is {message.Attachments[i].File} once more; a message has each file once.");
            }

            if (message.Attachments[i]?.Detail is { } detail && !Details.Contains(detail, StringComparer.Ordinal))
            {
                errors.Add(at + ".detail", $"is {Quoted.Of(detail)}; it must be one of {string.Join(", ", Details)}.");
            }
        }
    }

    /// <summary>Files that messages name, and how many of them each.</summary>
    public static IReadOnlyDictionary<Guid, int> In(ChatInput chat) =>
        (chat.Messages ?? []).SelectMany(message => message.Attachments ?? []).CountBy(each => each.File!.Value).ToDictionary();

    /// <summary>Without what they are: two requests that name the same files ask for the same.</summary>
    public static IReadOnlyList<JobFile>? Asked(IReadOnlyList<Attachment>? attachments, IReadOnlyDictionary<Guid, int> inMessages) =>
        attachments is { Count: > 0 } || inMessages.Count > 0
            ?
            [
                .. (attachments ?? []).Select(each => new JobFile(each.File!.Value, "", "", 0)),
                .. inMessages.Select(file => new JobFile(file.Key, "", "", 0) { InMessages = file.Value }),
            ]
            : null;

    /// <summary>What the input of a chat that came another way must keep, too.</summary>
    public static void CheckTogether(IReadOnlyList<Attachment> attachments, IReadOnlyDictionary<Guid, int> inMessages, FieldErrors errors)
    {
        if (attachments.FirstOrDefault(each => each?.File is { } file && inMessages.ContainsKey(file)) is { } twice)
        {
            errors.Add("attachments", $"has {twice.File}, which comes with a message, too; name it in one place.");
        }

        if (inMessages.Count > 0 && attachments.Count + inMessages.Count > Attachment.Most)
        {
            errors.Add(
                "messages",
                $"come with {attachments.Count + inMessages.Count} files together; at most {Attachment.Most} are allowed."
            );
        }
    }

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

    /// <param name="artifact">Of a job, or of a step.</param>
    /// <param name="contract">What the answer must be besides; null is nothing.</param>
    /// <param name="place">Where it stands in the body.</param>
    /// <param name="errors">Faults are added here.</param>
    public static void CheckArtifact(ArtifactRequest artifact, OutputContract? contract, string place, FieldErrors errors)
    {
        if (artifact.Name is not { Length: > 0 } name)
        {
            errors.Add(place + ".name", "is missing; say what the file is to be called.");
        }
        else if (FileNames.Clean(name, "") != name)
        {
            errors.Add(
                place + ".name",
                $"is {Quoted.Of(name)}; it must be a file name of at most 255 characters, without a path and controls."
            );
        }

        if (artifact.Type is null || !ArtifactTypes.All.Contains(artifact.Type, StringComparer.Ordinal))
        {
            errors.Add(
                place + ".type",
                $"is {(artifact.Type is null ? "missing" : Quoted.Of(artifact.Type))}; it must be one of {string.Join(", ", ArtifactTypes.All)}."
            );
        }
        else if (contract is not null && artifact.Type != ArtifactTypes.Json)
        {
            errors.Add(
                place + ".type",
                $"is {artifact.Type}; an answer with a contract is JSON. Send {ArtifactTypes.Json}, or leave contract out."
            );
        }
    }
}
