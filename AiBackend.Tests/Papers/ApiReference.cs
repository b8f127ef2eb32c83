using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiBackend.Tests.Papers;

/// <summary>The part of docs/api.md that says of every operation and every type what the OpenAPI document does.</summary>
internal sealed partial class ApiReference
{
    private readonly StringBuilder _text = new();
    private readonly JsonElement _root;
    private readonly IReadOnlyList<Operation> _operations;
    private readonly HashSet<string> _everywhere;

    private ApiReference(JsonElement root)
    {
        _root = root;
        _operations =
        [
            .. from path in root.GetProperty("paths").EnumerateObject()
            from method in path.Value.EnumerateObject()
            select new Operation($"{method.Name.ToUpperInvariant()} {path.Name}", method.Value),
        ];
        // What can happen to any of them is said once. Those that anybody may call have no trouble with keys.
        _everywhere = _operations
            .SelectMany(operation => operation.Problems)
            .CountBy(problem => problem)
            .Where(counted => counted.Value >= _operations.Count * 9 / 10)
            .Select(counted => counted.Key.Code)
            .ToHashSet(StringComparer.Ordinal);
    }

    public static string Write(JsonElement document)
    {
        var reference = new ApiReference(document);
        reference.WriteOperations();
        reference.WriteTypes();
        return reference._text.ToString();
    }

    private void WriteOperations()
    {
        var common = string.Join(", ", _everywhere.Order(StringComparer.Ordinal).Select(ProblemLink));
        _text.Append($"Any operation may also be refused with {common}.\n");
        foreach (
            var group in _operations
                .GroupBy(operation => operation.Tag)
                .OrderBy(group => group.Key is "Jobs" ? "" : group.Key, StringComparer.Ordinal)
        )
        {
            _text.Append($"\n### {group.Key}: operations\n");
            foreach (var operation in group)
            {
                WriteOperation(operation);
            }
        }
    }

    private void WriteOperation(Operation operation)
    {
        _text.Append($"\n#### `{operation.Name}`\n\n**{operation.Text("summary")}.** {operation.Text("description")}\n");
        if (operation.Json.TryGetProperty("parameters", out var parameters) && parameters.GetArrayLength() > 0)
        {
            _text.Append("\n| parameter | in | type | meaning |\n|---|---|---|---|\n");
            foreach (var parameter in parameters.EnumerateArray())
            {
                var (name, place) = (parameter.GetProperty("name").GetString(), parameter.GetProperty("in").GetString());
                var type = SchemaWords.Type(parameter.GetProperty("schema"));
                _text.Append($"| `{name}` | {place} | {type} | {Cell(parameter.GetProperty("description").GetString()!)} |\n");
            }
        }

        _text.Append("\n| | |\n|---|---|\n");
        if (operation.Json.TryGetProperty("requestBody", out var body))
        {
            var isRequired = body.TryGetProperty("required", out var required) && required.GetBoolean();
            _text.Append($"| body | {Contents(body)}{(isRequired ? "" : ", may be left out")} |\n");
        }

        foreach (var answer in operation.Answers.Where(answer => answer.Name[0] is '2' or '3'))
        {
            var content = Contents(answer.Value);
            var meaning = Cell(answer.Value.GetProperty("description").GetString()!);
            _text.Append($"| {answer.Name} | {(content.Length == 0 ? "" : content + ": ")}{meaning} |\n");
        }

        foreach (
            var (status, problems) in operation
                .Problems.Where(problem => !_everywhere.Contains(problem.Code))
                .GroupBy(p => p.Status)
                .Select(g => (g.Key, g))
        )
        {
            _text.Append($"| {status} | {string.Join(", ", problems.Select(problem => ProblemLink(problem.Code)))} |\n");
        }
    }

    private void WriteTypes()
    {
        _text.Append("\n### Types\n");
        foreach (
            var schema in _root
                .GetProperty("components")
                .GetProperty("schemas")
                .EnumerateObject()
                .OrderBy(type => type.Name, StringComparer.Ordinal)
        )
        {
            _text.Append($"\n#### <a id=\"{SchemaWords.Anchor(schema.Name)}\"></a>`{schema.Name}`\n\n");
            if (schema.Value.TryGetProperty("description", out var about))
            {
                _text.Append($"{about.GetString()!.ReplaceLineEndings(" ")}\n\n");
            }

            if (!schema.Value.TryGetProperty("properties", out var members))
            {
                _text.Append($"{SchemaWords.Type(schema.Value)}{SchemaWords.Bounds(schema.Value)}\n");
                continue;
            }

            _text.Append("| member | type | meaning |\n|---|---|---|\n");
            foreach (var member in members.EnumerateObject())
            {
                var meaning = member.Value.TryGetProperty("description", out var said) ? Cell(said.GetString()!) : "";
                _text.Append($"| `{member.Name}` | {SchemaWords.Type(member.Value)} | {meaning}{SchemaWords.Bounds(member.Value)} |\n");
            }
        }
    }

    private static string Contents(JsonElement holder) =>
        holder.TryGetProperty("content", out var contents)
            ? string.Join(
                " or ",
                contents
                    .EnumerateObject()
                    .Select(content =>
                        content.Name == "application/json" ? SchemaWords.Type(content.Value.GetProperty("schema")) : $"`{content.Name}`"
                    )
            )
            : "";

    private static string ProblemLink(string code) => $"[`{code}`](problems.md#{code.Replace('_', '-')})";

    private static string Cell(string text) => text.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);

    private sealed record Operation(string Name, JsonElement Json)
    {
        public string Tag => Json.GetProperty("tags")[0].GetString()!;

        public IEnumerable<JsonProperty> Answers => Json.GetProperty("responses").EnumerateObject();

        public IEnumerable<(string Status, string Code)> Problems =>
            from answer in Answers
            where answer.Name[0] is '4' or '5'
            from Match code in Code().Matches(answer.Value.GetProperty("description").GetString()!)
            select (answer.Name, code.Groups["code"].Value);

        public string Text(string member) =>
            Json.GetProperty(member).GetString()!.ReplaceLineEndings(" ").TrimEnd('.', ' ') + (member == "summary" ? "" : ".");
    }

    [GeneratedRegex(@"\(`(?<code>[a-z0-9_]+)`\)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Code();
}
