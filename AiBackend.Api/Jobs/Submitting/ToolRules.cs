using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using static System.FormattableString;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What the tools of a chat, and the form of its answer, must look like.</summary>
internal static partial class ToolRules
{
    private const int MaxTools = 128;
    private const int MaxCalls = 128;

    private static readonly string[] Modes = ["auto", "none", "required"];
    private static readonly string[] Formats = ["text", "json_object", "json_schema"];

    /// <returns>Why the chat is refused outright, or null; lesser faults are added to <paramref name="errors"/>.</returns>
    public static Refusal? Check(ChatInput chat, FieldErrors errors, string root)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        if (chat.Tools is { Count: > MaxTools } many)
        {
            errors.Add(root + "tools", $"has {many.Count} tools; at most {MaxTools} are allowed.");
        }

        for (var i = 0; i < (chat.Tools?.Count ?? 0); i++)
        {
            if (CheckTool(chat.Tools![i], Invariant($"{root}tools[{i}]"), names, errors) is { } refusal)
            {
                return refusal;
            }
        }

        CheckChoice(chat.ToolChoice, root + "tool_choice", names, errors);
        if (chat.ParallelToolCalls is not null && names.Count == 0)
        {
            errors.Add(root + "parallel_tool_calls", "is given without tools; leave it out, or send tools.");
        }

        return chat.ResponseFormat is { } format ? CheckFormat(format, root + "response_format", errors) : null;
    }

    /// <summary>Notes the calls that a message of the assistant has.</summary>
    public static void CheckCalls(IReadOnlyList<ChatToolCall> calls, string place, HashSet<string> known, FieldErrors errors)
    {
        if (calls.Count is 0 or > MaxCalls)
        {
            errors.Add(place, $"has {calls.Count} calls; 1 to {MaxCalls} are allowed.");
        }

        for (var i = 0; i < calls.Count; i++)
        {
            var at = Invariant($"{place}[{i}]");
            if (calls[i] is not { Type: "function", Id: { Length: > 0 and <= 128 } id, Function: { Name: { } name, Arguments: not null } })
            {
                errors.Add(at, "must have an id of 1 to 128 characters, the type \"function\" and a function with name and arguments.");
                continue;
            }

            CheckName(at + ".function.name", name, errors);
            if (!known.Add(id))
            {
                errors.Add(at + ".id", $"is {Quoted.Of(id)}, which another call has too.");
            }
        }
    }

    private static Refusal? CheckTool(OfferedTool? offered, string place, HashSet<string> names, FieldErrors errors)
    {
        if (offered?.Registered is { } registered)
        {
            if (CheckName(place, registered, errors) && !names.Add(registered))
            {
                errors.Add(place, $"is {Quoted.Of(registered)}, which another tool is called too.");
            }

            return null;
        }

        if (offered?.Own is not { Type: "function", Function: { } function })
        {
            errors.Add(
                place,
                "must be the name of a registered tool, or have the type \"function\" and a function; no other tools are known."
            );
            return null;
        }

        if (CheckName(place + ".function.name", function.Name, errors) && !names.Add(function.Name!))
        {
            errors.Add(place + ".function.name", $"is {Quoted.Of(function.Name!)}, which another tool has too.");
        }

        if (function.Parameters is not { ValueKind: not JsonValueKind.Null } schema)
        {
            return null;
        }

        if (schema.ValueKind != JsonValueKind.Object)
        {
            errors.Add(place + ".function.parameters", "must be a JSON schema, which is an object.");
        }

        return CheckSchema(schema, place + ".function.parameters");
    }

    private static void CheckChoice(JsonElement? choice, string place, HashSet<string> names, FieldErrors errors)
    {
        if (choice is not { ValueKind: not JsonValueKind.Null } given)
        {
            return;
        }

        if (given.ValueKind == JsonValueKind.String && Modes.Contains(given.GetString()))
        {
            if (names.Count == 0 && !given.ValueEquals("none"))
            {
                errors.Add(place, "is given without tools; leave it out, or send tools.");
            }

            return;
        }

        if (NameOf(given) is not { } name)
        {
            errors.Add(
                place,
                $"must be one of {string.Join(", ", Modes)}, or {{\"type\": \"function\", \"function\": {{\"name\": \"…\"}}}}."
            );
        }
        else if (!names.Contains(name))
        {
            errors.Add(place, $"names {Quoted.Of(name)}, which is none of the tools.");
        }
    }

    private static string? NameOf(JsonElement choice) =>
        choice.ValueKind == JsonValueKind.Object
        && choice.EnumerateObject().Count() == 2
        && choice.TryGetProperty("type", out var type)
        && type.ValueKind == JsonValueKind.String
        && type.ValueEquals("function")
        && choice.TryGetProperty("function", out var function)
        && function.ValueKind == JsonValueKind.Object
        && function.EnumerateObject().Count() == 1
        && function.TryGetProperty("name", out var name)
        && name.ValueKind == JsonValueKind.String
            ? name.GetString()
            : null;

    private static Refusal? CheckFormat(ChatAnswerFormat format, string place, FieldErrors errors)
    {
        if (!Formats.Contains(format.Type))
        {
            var type = format.Type is null ? "missing" : Quoted.Of(format.Type);
            errors.Add(place + ".type", $"is {type}; it must be one of {string.Join(", ", Formats)}.");
            return null;
        }

        if (format.Type != "json_schema")
        {
            if (format.JsonSchema is not null)
            {
                errors.Add(place + ".json_schema", "is only for the type json_schema.");
            }

            return null;
        }

        if (format.JsonSchema is not { Schema: { ValueKind: JsonValueKind.Object } schema } named)
        {
            errors.Add(place + ".json_schema", "must have a name and a schema, which is an object.");
            return null;
        }

        CheckName(place + ".json_schema.name", named.Name, errors);
        return CheckSchema(schema, place + ".json_schema.schema");
    }

    private static Refusal? CheckSchema(JsonElement schema, string place) =>
        ForbiddenMembers.Find(schema, place) ?? RemoteReferences.Find(schema, place);

    public static bool CheckName(string place, string? name, FieldErrors errors)
    {
        if (name is not null && Name().IsMatch(name))
        {
            return true;
        }

        errors.Add(
            place,
            $"is {(name is null ? "missing" : Quoted.Of(name))}; it must have 1 to 64 letters, digits, hyphens and underscores."
        );
        return false;
    }

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}$", RegexOptions.None, 1000)]
    private static partial Regex Name();
}
