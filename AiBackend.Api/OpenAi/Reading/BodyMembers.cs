using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Reads values of a body whose shape is somebody else's. The first fault is kept; what is read after it does not matter.</summary>
internal sealed class BodyMembers
{
    public Refusal? Fault { get; private set; }

    public void Fail(Refusal refusal) => Fault ??= refusal;

    /// <summary>A value that is not what it must be.</summary>
    public void Invalid(string path, string what) => Fail(ProblemTypes.InvalidValue.At(path, $"{path} {what}."));

    /// <summary>A parameter that exists elsewhere, and what to do without it.</summary>
    public void Unsupported(string path, string remedy) =>
        Fail(ProblemTypes.UnsupportedParameter.At(path, $"{path} is not supported here. {remedy}"));

    /// <summary>A member that nobody knows.</summary>
    public void Unknown(string path) =>
        Fail(ProblemTypes.UnknownMember.At(path, $"{path} is not a parameter that is known here. Leave it out."));

    public string? Text(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return value.GetString();
        }

        Invalid(path, "must be a string");
        return null;
    }

    public bool? Flag(JsonElement value, string path)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return value.GetBoolean();
        }

        Invalid(path, "must be true or false");
        return null;
    }

    public double? Number(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number))
        {
            return number;
        }

        Invalid(path, "must be a number");
        return null;
    }

    public int? Whole(JsonElement value, string path) => (int?)Whole(value, path, int.MinValue, int.MaxValue);

    public long? Whole(JsonElement value, string path, long least, long most)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most)
        {
            return number;
        }

        Invalid(path, Invariant($"must be a whole number from {least} to {most}"));
        return null;
    }

    /// <summary>A value of a contract of the native API, as strictly as there.</summary>
    /// <returns>Null when it is none.</returns>
    public T? As<T>(JsonElement value, string path, JsonTypeInfo<T> type)
        where T : class
    {
        if (BodyDiagnosis.Find(JsonMarshal.GetRawUtf8Value(value), type, type) is not { } fault)
        {
            return value.Deserialize(type);
        }

        var inner = fault.Errors?.Keys.FirstOrDefault() ?? "";
        var place = inner.Length == 0 || inner[0] == '[' ? path + inner : $"{path}.{inner}";
        Fail(fault.Type.At(place, In(path, fault.Detail)));
        return null;
    }

    /// <summary>Says of a part of the body what was found in it alone.</summary>
    private static string In(string path, string detail)
    {
        const string Whole = "The body";
        return detail.StartsWith(Whole, StringComparison.Ordinal) ? path + detail[Whole.Length..]
            : detail.StartsWith('[') ? path + detail
            : $"{path}.{detail}";
    }

    /// <returns>The members of an object that are not null; none when it is no object.</returns>
    public IEnumerable<JsonProperty> Object(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            return value.EnumerateObject();
        }

        Invalid(path, "must be an object");
        return [];
    }

    /// <returns>The items of an array, each with its path; none when it is no array.</returns>
    public IEnumerable<(JsonElement Item, string Path)> Array(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.Array)
        {
            return value.EnumerateArray().Select((item, index) => (item, Invariant($"{path}[{index}]")));
        }

        Invalid(path, "must be an array");
        return [];
    }
}

/// <summary>The members that an object may have, and what each does to the one who reads.</summary>
internal sealed class MemberTable<TReader> : Dictionary<string, Action<TReader, JsonElement, string>>
    where TReader : class
{
    public MemberTable()
        : base(StringComparer.Ordinal) { }

    /// <summary>Reads every member of an object. Null is as good as missing, wherever it stands.</summary>
    public void Read(TReader reader, BodyMembers values, JsonElement target, string path)
    {
        foreach (var member in values.Object(target, path.Length == 0 ? "The body" : path))
        {
            // One fault is told, and a body may have a hundred thousand.
            if (values.Fault is not null)
            {
                return;
            }

            var place = path.Length == 0 ? member.Name : $"{path}.{member.Name}";
            if (!TryGetValue(member.Name, out var take))
            {
                values.Unknown(place);
            }
            else if (member.Value.ValueKind != JsonValueKind.Null)
            {
                take(reader, member.Value, place);
            }
        }
    }
}
