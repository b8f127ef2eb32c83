using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Tools;

/// <summary>What one job's calls of registered tools may take together. Section <c>Tools</c>; changes need a restart.</summary>
public sealed class ToolsOptions : IValidatableObject
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Tools";

    /// <summary>Used in Development only, so that a clone runs without set-up.</summary>
    public const string DevelopmentSecret = "development-only-secret-of-tool-headers!";

    /// <summary>The most calls that any installation allows a job.</summary>
    public const int MostCalls = 1000;

    /// <summary>Turns of a model that end in calls.</summary>
    [Range(1, 200, ErrorMessage = "Tools:MaxRounds is outside 1 to 200. Set Tools__MaxRounds to a number of turns in it.")]
    public int MaxRounds { get; set; } = 20;

    /// <summary>Calls, in all rounds together.</summary>
    [Range(1, MostCalls, ErrorMessage = "Tools:MaxCalls is outside 1 to 1000. Set Tools__MaxCalls to a number of calls in it.")]
    public int MaxCalls { get; set; } = 100;

    /// <summary>Tokens, in all rounds together.</summary>
    [Range(1, long.MaxValue, ErrorMessage = "Tools:MaxTokens is below 1. Set Tools__MaxTokens to a number of tokens above 0.")]
    public long MaxTokens { get; set; } = 1_000_000;

    /// <summary>US dollars for all rounds together, as far as deployments have prices; a job's own <c>max_cost_usd</c> holds besides.</summary>
    [Range(
        typeof(decimal),
        "0",
        "1000000",
        ErrorMessage = "Tools:MaxCostUsd is outside 0 to 1000000. Set Tools__MaxCostUsd to an amount in it."
    )]
    public decimal MaxCostUsd { get; set; } = 10;

    /// <summary>
    /// Secret that the headers of tools are encrypted with; at least 32 characters, the same in every process. Left out, it is that of
    /// provider keys; without either tools have no secret headers.
    /// </summary>
    [MinLength(32, ErrorMessage = "Tools:SealSecret is shorter than 32 characters. Set Tools__SealSecret to a longer random secret.")]
    public string? SealSecret { get; set; }

    /// <summary>
    /// MCP servers that the workers start, by the name that tools say in <c>server</c>. Set the same for the Api, which refuses names it does not know.
    /// </summary>
    public IDictionary<string, McpServerOptions> McpServers { get; } =
        new Dictionary<string, McpServerOptions>(StringComparer.OrdinalIgnoreCase);

    /// <summary>The name of the installation, <c>Installation__Name</c>: what was sealed under another one does not open.</summary>
    public string? Installation { get; internal set; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        McpServers
            .Where(server => string.IsNullOrWhiteSpace(server.Value.Command))
            .Select(server => new ValidationResult(
                $"Tools:McpServers:{server.Key}:Command is missing. Set Tools__McpServers__{server.Key}__Command to the program that is the server."
            ))
            .Concat(
                McpServers
                    .Where(server => server.Value.Tenants.Count == 0)
                    .Select(server => new ValidationResult(
                        $"Tools:McpServers:{server.Key}:Tenants is empty, so nobody may use it. Set Tools__McpServers__{server.Key}__Tenants__0 to a tenant's id, or to * for all."
                    ))
            );
}
