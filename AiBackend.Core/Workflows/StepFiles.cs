using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using static System.FormattableString;

namespace AiBackend.Core.Workflows;

/// <summary>Files that a step gives its model, with values in place of placeholders.</summary>
public static class StepFiles
{
    /// <param name="step">A step of the type chat.</param>
    /// <param name="values">What placeholders stand for.</param>
    /// <param name="fault">Why these are no files, as a sentence; not changed when they are, or when there is a fault already.</param>
    /// <returns>Each once.</returns>
    public static IReadOnlyList<Guid> Of(WorkflowStep step, WorkflowValues values, ref string? fault)
    {
        var files = new List<Guid>();
        for (var i = 0; i < step.Attachments?.Count; i++)
        {
            var text = step.Attachments[i];
            foreach (var value in WorkflowTemplates.IsOne(text) ? Listed(WorkflowTemplates.Value(text, values)) : [StepValues.OfText(text)])
            {
                if (value.ValueKind != JsonValueKind.String || !value.TryGetGuid(out var file))
                {
                    fault ??= Invariant($"attachments[{i}] stands for what is no id of a file. Give ids of POST /api/v1/files.");
                }
                else if (!files.Contains(file))
                {
                    files.Add(file);
                }
            }
        }

        fault ??=
            files.Count > Attachment.Most
                ? Invariant($"attachments stand for {files.Count} files; at most {Attachment.Most} are allowed.")
                : null;
        return files;
    }

    /// <summary>One value, those of a list, or nothing where there is none.</summary>
    private static IEnumerable<JsonElement> Listed(JsonElement? value) =>
        value switch
        {
            null or { ValueKind: JsonValueKind.Null } => [],
            { ValueKind: JsonValueKind.Array } list => list.EnumerateArray(),
            { } one => [one],
        };
}
