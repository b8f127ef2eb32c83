using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>One pass over a body beside the contract it should have; stops at the first difference.</summary>
/// <param name="root">The contract of the body.</param>
/// <param name="input">The contract of its member <c>input</c>; null when the type is not known, and then anything fits.</param>
internal sealed class BodyWalk(JsonTypeInfo root, JsonTypeInfo? input)
{
    public const int MaxDepth = 32;

    // Deeper than allowed, so that the walk meets the forbidden level itself and can name its place.
    public static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = MaxDepth * 2 };

    private readonly Stack<Level> _levels = new();

    /// <returns>The first fault, or null.</returns>
    /// <exception cref="JsonException">The body is not JSON.</exception>
    public Refusal? Run(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, ReaderOptions);
        while (reader.Read())
        {
            if (Check(ref reader) is { } refusal)
            {
                return refusal;
            }
        }

        return null;
    }

    private Refusal? Check(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.PropertyName:
                return CheckName(ref reader);
            case JsonTokenType.EndObject or JsonTokenType.EndArray:
                _levels.Pop();
                return null;
            default:
                var expected = BeginValue();
                return CheckDepth(reader.CurrentDepth, reader.TokenType) ?? CheckText(ref reader) ?? CheckValue(ref reader, expected);
        }
    }

    /// <summary>Moves to the next value of the innermost level.</summary>
    /// <returns>Its contract; null when anything fits.</returns>
    private Type? BeginValue()
    {
        if (!_levels.TryPeek(out var level))
        {
            return root.Type;
        }

        level.Index++;
        return level.ValueType;
    }

    private Refusal? CheckDepth(int depth, JsonTokenType token) =>
        depth >= MaxDepth && token is (JsonTokenType.StartObject or JsonTokenType.StartArray)
            ? ProblemTypes.TooDeep.At(Path(), $"{Named(Path())} nests deeper than {MaxDepth} levels. Flatten it.")
            : null;

    private Refusal? CheckName(ref Utf8JsonReader reader)
    {
        var level = _levels.Peek();
        level.Member = null;
        if (CheckText(ref reader) is { } broken)
        {
            return broken;
        }

        var name = reader.GetString()!;
        var place = Named(Path());
        level.Member = name;
        if (!level.Seen.Add(name))
        {
            return ProblemTypes.DuplicateMember.At(Path(), $"{place} has the member {Quoted.Of(name)} twice. Send it once.");
        }

        if (level.Type is not { Kind: JsonTypeInfoKind.Object } type)
        {
            return null;
        }

        if (type.Properties.FirstOrDefault(member => member.Name == name) is not { } property)
        {
            var known = string.Join(", ", type.Properties.Select(member => member.Name));
            return ProblemTypes.UnknownMember.At(
                Path(),
                $"{place} has the member {Quoted.Of(name)}, which is not known here. Known members: {known}."
            );
        }

        // At the top, input is whatever its type says; everywhere else the contract says it all.
        level.ValueType = type == root && name == "input" ? input?.Type : property.PropertyType;
        return null;
    }

    private Refusal? CheckText(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName))
        {
            return null;
        }

        try
        {
            return reader.GetString()!.Contains('\0', StringComparison.Ordinal)
                ? Invalid("contains the character U+0000, which cannot be stored. Remove it")
                : null;
        }
        catch (InvalidOperationException)
        {
            // The reader's word for half of a surrogate pair, such as "\ud83d" alone.
            return ProblemTypes.InvalidUtf8.At(
                Path(),
                $"{Named(Path())} contains half of a surrogate pair, which stands for no character. Send whole characters."
            );
        }
    }

    private Refusal? CheckValue(ref Utf8JsonReader reader, Type? expected)
    {
        expected = expected is null ? null : Nullable.GetUnderlyingType(expected) ?? expected;
        if (expected == typeof(OfferedTool))
        {
            // A name, or a tool.
            expected = reader.TokenType == JsonTokenType.String ? null : typeof(ChatTool);
        }

        var contract = expected is null || expected == typeof(JsonElement) ? null : Contract(expected);
        if (reader.TokenType == JsonTokenType.Null && _levels.Count > 0)
        {
            return null;
        }

        if (contract is not null && Mismatch(ref reader, contract) is { } remedy)
        {
            return Invalid(remedy);
        }

        if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
        {
            _levels.Push(new Level(contract, isArray: reader.TokenType == JsonTokenType.StartArray));
        }

        return null;
    }

    private static string? Mismatch(ref Utf8JsonReader reader, JsonTypeInfo contract) =>
        contract.Kind switch
        {
            JsonTypeInfoKind.Object or JsonTypeInfoKind.Dictionary when reader.TokenType != JsonTokenType.StartObject =>
                "must be a JSON object",
            JsonTypeInfoKind.Enumerable when reader.TokenType != JsonTokenType.StartArray => "must be a JSON array",
            JsonTypeInfoKind.None => ScalarMismatch(ref reader, contract.Type),
            _ => null,
        };

    private static string? ScalarMismatch(ref Utf8JsonReader reader, Type type)
    {
        if (type == typeof(string))
        {
            return reader.TokenType == JsonTokenType.String ? null : "must be a string";
        }

        if (type == typeof(int))
        {
            return reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out _)
                ? null
                : "must be a whole number of at most 2147483647";
        }

        if (type == typeof(long))
        {
            return reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out _) ? null : "must be a whole number of 64 bits";
        }

        if (type == typeof(bool))
        {
            return reader.TokenType is JsonTokenType.True or JsonTokenType.False ? null : "must be true or false";
        }

        if (type == typeof(Guid))
        {
            return reader.TokenType == JsonTokenType.String && reader.TryGetGuid(out _)
                ? null
                : "must be an id such as \"0197f0a0-0000-7000-8000-000000000000\"";
        }

        if (type == typeof(double))
        {
            return reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out _) ? null : "must be a number";
        }

        return type == typeof(DateTimeOffset) && !(reader.TokenType == JsonTokenType.String && reader.TryGetDateTimeOffset(out _))
            ? "must be a time in RFC 3339 form, such as \"2030-01-31T12:00:00Z\""
            : null;
    }

    private JsonTypeInfo? Contract(Type type) =>
        type == root.Type ? root
        : type == input?.Type ? input
        : root.Options.GetTypeInfo(type);

    private Refusal Invalid(string what) => ProblemTypes.InvalidValue.At(Path(), $"{Named(Path())} {what}.");

    private static string Named(string path) => path.Length == 0 ? "The body" : path;

    private string Path()
    {
        var path = new StringBuilder();
        foreach (var level in _levels.Reverse())
        {
            if (level.IsArray)
            {
                path.Append(CultureInfo.InvariantCulture, $"[{level.Index}]");
            }
            else if (level.Member is { } member)
            {
                path.Append(path.Length == 0 ? "" : ".").Append(member.Length > 80 ? member[..80] : member);
            }
        }

        return path.ToString();
    }

    /// <summary>One open object or array.</summary>
    private sealed class Level(JsonTypeInfo? type, bool isArray)
    {
        public JsonTypeInfo? Type { get; } = type;

        public bool IsArray { get; } = isArray;

        /// <summary>Contract of the next value; null when anything fits.</summary>
        public Type? ValueType { get; set; } =
            type is { Kind: JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary } ? type.ElementType : null;

        public HashSet<string> Seen { get; } = new(StringComparer.Ordinal);

        /// <summary>The member the walk is in; null in an array.</summary>
        public string? Member { get; set; }

        /// <summary>Position in an array.</summary>
        public int Index { get; set; } = -1;
    }
}
