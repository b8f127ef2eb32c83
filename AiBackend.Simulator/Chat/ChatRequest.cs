using System.Text.Json;

namespace AiBackend.Simulator.Chat;

/// <summary>What the simulator reads of a chat completion request. Content is kept as the first 200 characters.</summary>
internal sealed record ChatRequest
{
    private const int KeptCharacters = 200;

    public required string Model { get; init; }
    public required IReadOnlyList<SimMessage> Messages { get; init; }
    public bool Stream { get; init; }
    public bool IncludeUsage { get; init; }
    public int? MaxTokens { get; init; }
    public double? Temperature { get; init; }

    /// <summary>The schema when JSON is asked for; an empty object for plain JSON mode; null for text.</summary>
    public JsonElement? Schema { get; init; }

    /// <summary>Tools it may ask for; empty when it may ask for none.</summary>
    public IReadOnlyList<SimTool> Tools { get; init; } = [];

    /// <summary>The tool it must ask for; empty is any, null is none.</summary>
    public string? RequiredTool { get; init; }

    /// <summary>The beginning of the answer; null when there is none.</summary>
    public SimMessage? Begun => Messages[^1].Role == "assistant" ? Messages[^1] : null;

    /// <summary>Four characters a token, three tokens a message: as good as any guess.</summary>
    public int InputTokens => Messages.Sum(message => 3 + message.Characters / 4);

    /// <summary>Reads the body.</summary>
    /// <exception cref="FormatException">It is not a chat completion request; the message says what is wrong.</exception>
    public static async Task<ChatRequest> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        try
        {
            using var body = await JsonDocument.ParseAsync(request.Body, default, cancellationToken);
            return Read(body.RootElement);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            throw new FormatException("The request body is not a valid chat completion request: " + problem.Message, problem);
        }
    }

    private static ChatRequest Read(JsonElement body)
    {
        var model = Member(body, "model")?.GetString();
        var messages = Member(body, "messages");
        if (string.IsNullOrEmpty(model) || messages is not { ValueKind: JsonValueKind.Array } || messages.Value.GetArrayLength() == 0)
        {
            throw new FormatException("'model' must be a name and 'messages' an array with at least one message.");
        }

        return new ChatRequest
        {
            Model = model,
            Messages = [.. messages.Value.EnumerateArray().Select(ReadMessage)],
            Stream = Member(body, "stream")?.GetBoolean() ?? false,
            IncludeUsage = Member(body, "stream_options") is { } options && (Member(options, "include_usage")?.GetBoolean() ?? false),
            MaxTokens = (Member(body, "max_completion_tokens") ?? Member(body, "max_tokens"))?.GetInt32(),
            Temperature = Member(body, "temperature")?.GetDouble(),
            Tools = ReadTools(body),
            RequiredTool = Member(body, "tool_choice") switch
            {
                { ValueKind: JsonValueKind.String } word when word.ValueEquals("required") => "",
                { ValueKind: JsonValueKind.Object } one => Member(one, "function") is { } function
                    ? Member(function, "name")?.GetString()
                    : null,
                _ => null,
            },
            Schema = Member(body, "response_format") is { } format ? ReadSchema(format) : null,
        };
    }

    private static SimMessage ReadMessage(JsonElement message)
    {
        var content = Member(message, "content") switch
        {
            { ValueKind: JsonValueKind.String } text => text.GetString()!,
            { ValueKind: JsonValueKind.Array } parts => string.Concat(
                parts.EnumerateArray().Select(part => Member(part, "text")?.GetString())
            ),
            _ => "",
        };

        return new SimMessage(
            Member(message, "role")?.GetString() ?? "",
            content.Length,
            content.Length > KeptCharacters ? content[..KeptCharacters] : content
        );
    }

    private static IReadOnlyList<SimTool> ReadTools(JsonElement body) =>
        Member(body, "tools") is { } tools
        && !(Member(body, "tool_choice") is { ValueKind: JsonValueKind.String } word && word.ValueEquals("none"))
            ? [.. tools.EnumerateArray().Select(tool => Member(tool, "function")!.Value).Select(ReadTool)]
            : [];

    private static SimTool ReadTool(JsonElement function) =>
        new(
            Member(function, "name")?.GetString() ?? "",
            (Member(function, "parameters") ?? JsonDocument.Parse("""{"type":"object","properties":{}}""").RootElement).Clone()
        );

    private static JsonElement? ReadSchema(JsonElement format) =>
        Member(format, "type")?.GetString() switch
        {
            "json_schema" when Member(format, "json_schema") is { } named && Member(named, "schema") is { } schema => schema.Clone(),
            "json_schema" or "json_object" => JsonDocument.Parse("{}").RootElement,
            _ => null,
        };

    private static JsonElement? Member(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}

/// <summary>One message: who, how long, and how it begins.</summary>
internal sealed record SimMessage(string Role, int Characters, string Content);

/// <summary>A tool: its name, and the schema of its arguments.</summary>
internal sealed record SimTool(string Name, JsonElement Parameters);
