using System.Globalization;
using AiBackend.Api.Problems;

namespace AiBackend.Api.Files;

/// <summary>What a front door takes beside the bytes of a file.</summary>
internal abstract class UploadForm
{
    private static readonly TimeSpan ShortestLife = TimeSpan.FromHours(1);
    private static readonly TimeSpan LongestLife = TimeSpan.FromDays(30);

    private readonly Dictionary<string, string?> _sent;

    /// <param name="fields">Its fields, but for <c>file</c>.</param>
    protected UploadForm(params IReadOnlyList<string> fields)
    {
        _sent = fields.ToDictionary(field => field, _ => (string?)null, StringComparer.Ordinal);
        Fields = fields;
    }

    /// <summary>What the file is for, one of <see cref="Core.Files.FilePurposes"/>.</summary>
    public abstract string Purpose { get; }

    /// <summary>What tells its uploads from those of before there was more than one kind; empty of the first.</summary>
    public virtual string Kind => "";

    /// <summary>The name of a file that came with none.</summary>
    public abstract string UsualName { get; }

    /// <summary>Null leaves it to the server.</summary>
    public TimeSpan? KeptFor { get; protected set; }

    private IReadOnlyList<string> Fields { get; }

    /// <summary>What was sent as a field; null is nothing.</summary>
    protected string? this[string field] => _sent[field];

    /// <returns>Why a field of this name is refused, or null.</returns>
    public Refusal? CheckName(string field) =>
        !_sent.TryGetValue(field, out var before)
            ? ProblemTypes.UnknownMember.At(
                field,
                $"The form has the field {Quoted.Of(field)}. There {(Fields.Count == 0 ? "is only file" : $"are file, {string.Join(", ", Fields)}")}."
            )
        : before is not null ? ReceiveFile.Twice(field)
        : null;

    /// <summary>Takes a field.</summary>
    public void Take(string field, string value) => _sent[field] = value;

    /// <summary>Looks at the first bytes, before anything is stored.</summary>
    public virtual Refusal? CheckHead(ReadOnlySpan<byte> head) => null;

    /// <summary>Looks at the fields, once all have come.</summary>
    public abstract Refusal? Check();

    /// <summary>Reads how long the file is to be kept.</summary>
    /// <param name="field">What is at fault, in the answer.</param>
    /// <param name="name">The field.</param>
    protected Refusal? CheckLife(string field, string name)
    {
        if (
            !int.TryParse(this[name], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || TimeSpan.FromSeconds(seconds) is var life && (life < ShortestLife || life > LongestLife)
        )
        {
            return ProblemTypes.InvalidValue.At(field, $"{name} must be a whole number from 3600 to 2592000.");
        }

        KeptFor = TimeSpan.FromSeconds(seconds);
        return null;
    }
}
