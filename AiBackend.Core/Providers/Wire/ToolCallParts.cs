using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Wire;

/// <summary>The tools that a model asks for, as they arrive in pieces.</summary>
internal sealed class ToolCallParts
{
    private const int MostCalls = 128;
    private const int MostCharacters = 1024 * 1024;
    private const int LongestName = 1024;

    private readonly List<Part> _parts = [];
    private int _characters;

    public int Count => _parts.Count;

    /// <summary>Begins a call, or finds the one of this index.</summary>
    public Part At(int index)
    {
        var part = _parts.Find(each => each.Index == index);
        if (part is null)
        {
            if (_parts.Count == MostCalls)
            {
                throw new JsonException($"More than {MostCalls} tools are called at once.");
            }

            _parts.Add(part = new Part(index));
        }

        return part;
    }

    /// <summary>The call that was begun last.</summary>
    public Part? Last => _parts.Count > 0 ? _parts[^1] : null;

    /// <summary>Adds a piece of the arguments of a call.</summary>
    public void Append(Part part, ref Utf8JsonReader reader)
    {
        var piece = part.Text.Read(ref reader);
        Take(piece.Length);
        part.Arguments.Append(piece);
    }

    /// <summary>Adds a piece of the name of a call. Whoever never ends one is stopped long before it fills the memory.</summary>
    public static void AppendName(Part part, string piece) =>
        part.Name =
            part.Name.Length + piece.Length <= LongestName
                ? part.Name + piece
                : throw new JsonException($"The name of a tool has more than {LongestName} characters.");

    /// <summary>Sets the id of a call; most send it once, some with every piece.</summary>
    public void SetId(Part part, string id)
    {
        if (id.Length > 0 && id != part.Id)
        {
            // Some keep more in it than a name, so that it has the room of arguments.
            Take(id.Length);
            part.Id = id;
        }
    }

    /// <summary>The whole calls.</summary>
    /// <param name="isCut">Whether the answer was cut off: then what cannot be read of a call's arguments was not written to its end.</param>
    public IList<AIContent> ToContents(bool isCut) =>
        [
            .. _parts
                .Where(part => part.Name.Length > 0 && !(isCut && !AskedTool.IsJson(part.ArgumentsText)))
                .Select(part =>
                    AskedTool.Of(
                        part.Id.Length > 0 ? part.Id : FormattableString.Invariant($"call_{part.Index}"),
                        part.Name,
                        part.ArgumentsText
                    )
                ),
        ];

    /// <summary>What is said of a call that somebody else's text may have ordered.</summary>
    public const string NotOffered = "a call of a tool that it was not offered";

    /// <summary>What makes calls none that a caller may get: it would run what it never offered, or answer two calls at once.</summary>
    public static string? FaultOf(IEnumerable<AIContent> calls, ChatOptions? options)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var call in calls.OfType<FunctionCallContent>())
        {
            if (options?.Tools?.Any(tool => string.Equals(tool.Name, call.Name, StringComparison.Ordinal)) != true)
            {
                return NotOffered;
            }

            if (!ids.Add(call.CallId))
            {
                return "two calls of tools with one id";
            }
        }

        return null;
    }

    private void Take(int characters)
    {
        _characters += characters;
        if (_characters > MostCharacters)
        {
            throw new JsonException("The ids and arguments of tool calls are longer than 1 MiB.");
        }
    }

    internal sealed class Part(int index)
    {
        public int Index { get; } = index;

        public string Id { get; set; } = "";

        public string Name { get; set; } = "";

        public StringBuilder Arguments { get; } = new();

        public DeltaText Text { get; } = new();

        /// <summary>A tool that takes nothing is called with nothing by some.</summary>
        public string ArgumentsText => Arguments.Length == 0 ? "{}" : Arguments.ToString();
    }
}
