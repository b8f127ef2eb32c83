using System.Text;
using System.Text.Json;
using AiBackend.Core.Contracts.Schemas;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Tools;

/// <summary>Looks at schemas of arguments, and at the arguments that models write.</summary>
public static class ToolArguments
{
    /// <summary>UTF-8 bytes of the arguments of one call.</summary>
    public const int MaxBytes = 64 * 1024;

    private const int MostTold = 5;

    /// <summary>Says what is wrong with a schema.</summary>
    /// <param name="schema">What a caller sent.</param>
    /// <param name="report">Takes the place of each fault within the schema, and what is wrong there.</param>
    public static void Refuse(JsonElement schema, Action<string, string> report) => SchemaBounds.Check(schema, report);

    /// <returns>What is wrong with arguments, in words for the model; null when they fit.</returns>
    public static string? FaultOf(JsonElement? schema, string arguments)
    {
        var bytes = Encoding.UTF8.GetByteCount(arguments);
        if (bytes > MaxBytes)
        {
            return FormattableString.Invariant($"The arguments have {bytes} bytes; at most {MaxBytes} are allowed.");
        }

        try
        {
            if (StorableJson.Parse(arguments, new JsonDocumentOptions { MaxDepth = 32 }, out var unstorable) is not { } value)
            {
                return $"The arguments cannot be taken: {unstorable}.";
            }

            if (value.ValueKind != JsonValueKind.Object)
            {
                return "The arguments must be a JSON object.";
            }

            if (schema is not { ValueKind: JsonValueKind.Object } given)
            {
                return null;
            }

            var misfits = EvaluationBudget.Within(budget => new SchemaEvaluation(given, budget).Run(value));
            return misfits.Count == 0
                ? null
                : "The arguments do not fit: "
                    + string.Join(
                        " ",
                        misfits.Take(MostTold).Select(each => $"{(each.Path.Length == 0 ? "the arguments" : each.Path)} {each.Message}")
                    );
        }
        catch (JsonException)
        {
            return "The arguments are not valid JSON.";
        }
        catch (EvaluationLimitException)
        {
            return "The arguments cannot be checked within 250 ms.";
        }
    }
}
