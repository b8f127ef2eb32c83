using System.Text.Json;
using AiBackend.Api.Contracts;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Prompts;
using static System.FormattableString;

namespace AiBackend.Api.Prompts;

/// <summary>What a prompt and its versions must look like.</summary>
internal sealed class PromptRules(ContractFields contracts)
{
    private const int MostMessages = 100;
    private const int MostCharacters = 100_000;
    private const int MostVariables = 100;
    private const int MostPlaceholders = 500;
    private const int MostValues = 100;
    private const string Root = "template.";

    private static readonly string[] Roles = ["system", "developer", "user", "assistant"];

    public Refusal? Check(NewPrompt request)
    {
        var errors = new FieldErrors();
        if (!PromptNames.IsName(request.Name))
        {
            var given = request.Name is null ? "missing" : Quoted.Of(request.Name);
            errors.Add(
                "name",
                $"is {given}; it must have 1 to 64 lower-case letters, digits, hyphens, dots and underscores, the first one a letter or digit."
            );
        }

        errors.CheckText("description", request.Description, 500);
        return Check(request.Template, request.Note, errors);
    }

    public Refusal? Check(NewPromptVersion request) => Check(request.Template, request.Note, new FieldErrors());

    private Refusal? Check(PromptTemplate? template, string? note, FieldErrors errors)
    {
        errors.CheckText("note", note, 500);
        if (template is null)
        {
            errors.Add("template", "is missing; send an object with messages.");
            return errors.ToRefusal();
        }

        CheckVariables(template, errors);
        CheckMessages(template, errors);
        CheckParameters(template.Parameters, errors);
        errors.CheckText(Root + "model", template.Model, 128);
        return contracts.Check(template.Contract, errors, Root + "contract") ?? errors.ToRefusal();
    }

    private static void CheckMessages(PromptTemplate template, FieldErrors errors)
    {
        if (template.Messages is not { Count: > 0 and <= MostMessages } messages)
        {
            errors.Add(Root + "messages", $"has {template.Messages?.Count ?? 0} messages; 1 to {MostMessages} are allowed.");
            return;
        }

        var places = 0;
        for (var i = 0; i < messages.Count; i++)
        {
            var place = Invariant($"{Root}messages[{i}]");
            if (messages[i] is not { } message || !Roles.Contains(message.Role))
            {
                errors.Add(place + ".role", $"must be one of {string.Join(", ", Roles)}.");
                continue;
            }

            if (message.Content is not { Length: > 0 and <= MostCharacters } || string.IsNullOrWhiteSpace(message.Content))
            {
                errors.Add(place + ".content", $"must be a text of 1 to {MostCharacters} characters.");
                continue;
            }

            foreach (var name in PromptExpansion.PlaceholdersOf(message.Content))
            {
                places++;
                if (template.Variables?.ContainsKey(name) != true)
                {
                    errors.Add(
                        place + ".content",
                        $"has a place for {Quoted.Of(name)}, which is none of the variables. Add it there, or write it without the braces."
                    );
                }
            }
        }

        if (places > MostPlaceholders)
        {
            errors.Add(Root + "messages", $"have {places} places for variables; at most {MostPlaceholders} are allowed.");
        }
    }

    private static void CheckVariables(PromptTemplate template, FieldErrors errors)
    {
        if (template.Variables is { Count: > MostVariables } many)
        {
            errors.Add(Root + "variables", $"has {many.Count} variables; at most {MostVariables} are allowed.");
            return;
        }

        foreach (var (name, variable) in template.Variables ?? new Dictionary<string, PromptVariable>(StringComparer.Ordinal))
        {
            var place = $"{Root}variables.{(PromptNames.IsVariable(name) ? name : Quoted.Of(name))}";
            if (!PromptNames.IsVariable(name))
            {
                errors.Add(place, "must have a name of 1 to 64 letters, digits and underscores that does not begin with a digit.");
            }
            else if (variable is null)
            {
                errors.Add(place, "is null; send an object, such as {\"type\": \"string\"}.");
            }
            else
            {
                CheckVariable(place, variable, errors);
            }
        }
    }

    private static void CheckVariable(string place, PromptVariable variable, FieldErrors errors)
    {
        if (variable.Type is { } type && !PromptValues.Types.Contains(type, StringComparer.Ordinal))
        {
            errors.Add(place + ".type", $"is {Quoted.Of(type)}; it must be one of {string.Join(", ", PromptValues.Types)}.");
            return;
        }

        var isEnum = variable.Type == "enum";
        if (
            isEnum != variable.Values is not null
            || variable.Values is { Count: 0 or > MostValues }
            || variable.Values?.Any(string.IsNullOrEmpty) == true
        )
        {
            errors.Add(place + ".values", isEnum ? $"must have 1 to {MostValues} texts." : "is only for the type enum.");
            return;
        }

        errors.CheckText(place + ".description", variable.Description, 500);
        errors.CheckRange(place + ".max_length", variable.MaxLength, 1, PromptValues.MostCharacters);
        if (variable.Default is { ValueKind: not JsonValueKind.Null } value && PromptValues.TextOf(variable, value, out _) is { } fault)
        {
            errors.Add(place + ".default", fault);
        }
    }

    private static void CheckParameters(PromptParameters? parameters, FieldErrors errors) =>
        ChatRules.CheckSampling(PromptedJobs.Apply(parameters, new()), errors, Root + "parameters.");
}
