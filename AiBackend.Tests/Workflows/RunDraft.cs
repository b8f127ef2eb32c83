using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Workflows;

/// <summary>Runs as the Api would have stored them.</summary>
internal static class RunDraft
{
    public static JobDraft Of(string definition, string input, RunLimits? limits = null, params PinnedTool[] tools) =>
        Of("w", definition, input, limits, tools);

    /// <param name="workflow">Its name, also the subject of fault points.</param>
    /// <param name="definition">Its steps.</param>
    /// <param name="input">What it is given.</param>
    /// <param name="limits">What the run may cost.</param>
    /// <param name="tools">What its steps may call.</param>
    public static JobDraft Of(string workflow, string definition, string input, RunLimits? limits = null, params PinnedTool[] tools) =>
        CoreHost.Draft() with
        {
            Type = JobType.Workflow,
            Input = new RunInput
            {
                Workflow = workflow,
                Version = 1,
                Definition = JsonSerializer.Deserialize(definition, WireJson.Default.WorkflowDefinition)!,
                Input = JsonElement.Parse(input),
                Tools = tools.Length == 0 ? null : tools,
                Limits = limits,
            }.ToJson(),
            InputVersion = JobSchema.Steps,
        };
}
