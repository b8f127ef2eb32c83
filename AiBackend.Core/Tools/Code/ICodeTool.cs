using System.Text.Json;

namespace AiBackend.Core.Tools.Code;

/// <summary>A tool that the worker runs itself. Registered as a service in every process, so that the Api knows its name; of the effect <c>read</c>.</summary>
public interface ICodeTool
{
    /// <summary>What jobs and models call it.</summary>
    string Name { get; }

    /// <summary>What it is for, in words for the model.</summary>
    string Description { get; }

    /// <summary>JSON Schema of its arguments.</summary>
    JsonElement Parameters { get; }

    /// <summary>Runs it. Without side effects: it may be run again after a crash.</summary>
    /// <param name="caller">Whose job asks: nothing of another tenant may be answered, and what it costs is on this account.</param>
    /// <param name="arguments">Fit <see cref="Parameters"/>.</param>
    /// <param name="cancellationToken">Fires when its time is up.</param>
    /// <returns>What the model is given.</returns>
    ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken);
}

/// <summary>On whose behalf a tool runs.</summary>
/// <param name="TenantId">The job's tenant.</param>
/// <param name="KeyId">The key that submitted the job, whose budgets hold; null when nobody knows it.</param>
public readonly record struct CodeCaller(Guid TenantId, string? KeyId);

/// <summary>What came of it.</summary>
/// <param name="Text">What the model is given.</param>
/// <param name="IsError">Whether that says why there is no result.</param>
public readonly record struct CodeResult(string Text, bool IsError = false);

/// <summary>Tools that come with the product, by name.</summary>
public sealed class CodeTools
{
    private const int TimeoutSeconds = 5;

    private readonly Dictionary<string, ICodeTool> _tools;

    /// <param name="tools">All that are registered.</param>
    public CodeTools(IEnumerable<ICodeTool> tools) => _tools = tools.ToDictionary(tool => tool.Name, StringComparer.Ordinal);

    /// <summary>As definitions, by name.</summary>
    public IEnumerable<ToolDefinition> All => _tools.Values.OrderBy(tool => tool.Name, StringComparer.Ordinal).Select(Define);

    /// <returns>Null when there is none of this name.</returns>
    public ICodeTool? Find(string name) => _tools.GetValueOrDefault(name);

    /// <returns>Null when there is none of this name.</returns>
    public ToolDefinition? Definition(string name) => Find(name) is { } tool ? Define(tool) : null;

    private static ToolDefinition Define(ICodeTool tool) =>
        new()
        {
            Name = tool.Name,
            Kind = ApiContracts.Tools.ToolKinds.Code,
            Description = tool.Description,
            Parameters = tool.Parameters,
            Effect = ToolEffect.Read,
            TimeoutSeconds = TimeoutSeconds,
        };
}
