using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Attached;

/// <summary>Stands in a message for a file that comes with it, until <see cref="Attachments"/> has read the file.</summary>
/// <param name="file">Its id.</param>
/// <param name="detail">How closely a picture is looked at; null leaves it to the provider.</param>
internal sealed class NamedFile(Guid file, string? detail) : AIContent
{
    public Guid File => file;

    public static NamedFile Of(MessageAttachment attachment) => new(attachment.File!.Value, attachment.Detail);

    /// <summary>What the model is given in its place.</summary>
    public AIContent Of(AIContent content) =>
        content is DataContent image && detail is not null
            ? new DataContent(image.Data, image.MediaType) { AdditionalProperties = new() { [CallOptions.ImageDetail] = detail } }
            : content;

    /// <summary>Files that messages name, and how many of them each.</summary>
    public static IReadOnlyDictionary<Guid, int> In(IEnumerable<ChatMessage> messages) =>
        messages.SelectMany(message => message.Contents.OfType<NamedFile>()).CountBy(named => named.File).ToDictionary();
}
