using System.Text;
using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>What a message says: a text, or parts, of which texts are put below each other and files come before them.</summary>
/// <param name="Text">Its words; null when it was neither.</param>
/// <param name="Attachments">Its pictures and files; null is none.</param>
/// <param name="Sent">Which parts brought their file along, and what it is called now.</param>
internal sealed record MessageContent(
    string? Text,
    IReadOnlyList<MessageAttachment>? Attachments,
    IReadOnlyList<(int Part, Guid File)> Sent
)
{
    private const string OnlyText = "Only text is read here.";
    public const string Readable = "Text, pictures and files are read.";

    /// <param name="values">Where faults go.</param>
    /// <param name="content">The member.</param>
    /// <param name="path">Where it is.</param>
    /// <param name="files">Takes files; null where there may be none.</param>
    public static MessageContent Read(BodyMembers values, JsonElement content, string path, SentFiles? files = null)
    {
        if (content.ValueKind == JsonValueKind.String)
        {
            return new(content.GetString(), null, []);
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            values.Invalid(path, "must be a string or an array of parts");
            return new(null, null, []);
        }

        var (text, attachments, sent) = (new StringBuilder(), new List<MessageAttachment>(), new List<(int, Guid)>());
        foreach (var ((part, place), i) in values.Array(content, path).Select((part, i) => (part, i)))
        {
            var type = part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var named) ? named : default;
            if (files is null || !FilePart.IsOne(type))
            {
                text.Append(text.Length > 0 ? "\n" : "").Append(ReadText(values, part, place, files is null ? OnlyText : Readable));
                continue;
            }

            if (FilePart.Read(values, files, part, type.GetString()!, place) is var (file, detail, cameAlong))
            {
                attachments.Add(new MessageAttachment { File = file, Detail = detail });
                if (cameAlong)
                {
                    sent.Add((i, file));
                }
            }
        }

        return new(text.ToString(), attachments.Count > 0 ? attachments : null, sent);
    }

    private static string ReadText(BodyMembers values, JsonElement part, string path, string remedy)
    {
        var (type, text) = ("", "");
        string? unknown = null;
        foreach (var member in values.Object(part, path))
        {
            switch (member.Name)
            {
                case "type":
                    type = values.Text(member.Value, $"{path}.type") ?? "";
                    break;
                case "text" or "refusal":
                    text = values.Text(member.Value, $"{path}.{member.Name}") ?? "";
                    break;
                case "annotations" or "logprobs" when member.Value.ValueKind == JsonValueKind.Array && member.Value.GetArrayLength() == 0:
                    // What an SDK puts into the answer it gives back.
                    break;
                default:
                    unknown ??= $"{path}.{member.Name}";
                    break;
            }
        }

        if (unknown is not null && type is ("text" or "input_text" or "output_text" or "refusal"))
        {
            values.Unknown(unknown);
        }

        if (type is not ("text" or "refusal" or "input_text" or "output_text"))
        {
            values.Unsupported($"{path}.type", $"It was {Quoted.Of(type)}. {remedy}");
        }

        return text;
    }
}
