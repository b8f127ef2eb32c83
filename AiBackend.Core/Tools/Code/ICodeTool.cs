using System.Text.Json;
using AiBackend.Core.Egress;

namespace AiBackend.Core.Tools.Code;

/// <summary>A tool that the worker runs itself. Registered as a service in every process, so that the Api knows its name.</summary>
/// <remarks>
/// One that does something says so by its <see cref="Effect"/>, and then the ledger of effects stands around its calls as around those of other tools:
/// written down before, never run again after a crash unless it is <see cref="ToolEffect.WriteIdempotent"/>, and decided by
/// <see cref="VerifyAsync"/>, or a person, where nobody knows what came of it.
/// </remarks>
public interface ICodeTool
{
    /// <summary>What jobs and models call it.</summary>
    string Name { get; }

    /// <summary>What it is for, in words for the model.</summary>
    string Description { get; }

    /// <summary>JSON Schema of its arguments.</summary>
    JsonElement Parameters { get; }

    /// <summary>What a call does. <see cref="ToolEffect.ExternalWait"/> is for clients alone.</summary>
    ToolEffect Effect => ToolEffect.Read;

    /// <summary>Whether a person has to approve each call: of what does something each time it runs, where the tool does not say otherwise.</summary>
    bool NeedsApproval => Effect is ToolEffect.Write;

    /// <summary>How long a run, or a look at what became of one, may take: 1 to 120 seconds, in whole ones.</summary>
    /// <remarks>
    /// Then the token fires, and what comes of it afterwards reaches nobody. One that goes on nevertheless is not stopped: it keeps what it holds, and what
    /// does something once for one <see cref="CodeCaller.EffectId"/> may be run again beside it. In the look of a run
    /// it has what <c>Worker:InlineSeconds</c> says instead.
    /// </remarks>
    TimeSpan Timeout => TimeSpan.FromSeconds(5);

    /// <summary>Bytes of a result that the model is given at most, 1 to 65 536; the rest is cut off.</summary>
    int MaxResultBytes => ToolDefinition.DefaultResultBytes;

    /// <summary>Runs it: after a crash again, unless its <see cref="Effect"/> forbids that. An exception leaves open what a call did that does something.</summary>
    /// <param name="caller">Whose job asks: nothing of another tenant may be answered, and what it costs is on this account.</param>
    /// <param name="arguments">Fit <see cref="Parameters"/>.</param>
    /// <param name="cancellationToken">Fires when its time is up.</param>
    /// <returns>What the model is given.</returns>
    ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken);

    /// <summary>Tells what became of a call that does something, and whose result was lost.</summary>
    /// <param name="caller">As it was, with the same <see cref="CodeCaller.EffectId"/>.</param>
    /// <param name="cancellationToken">Fires when its time is up.</param>
    /// <returns>Its result; an error when it did not take effect; null when nobody can tell, and then a person decides.</returns>
    ValueTask<CodeResult?> VerifyAsync(CodeCaller caller, CancellationToken cancellationToken) => new((CodeResult?)null);
}

/// <summary>On whose behalf a tool runs.</summary>
/// <param name="TenantId">The job's tenant.</param>
/// <param name="KeyId">The key that submitted the job, whose budgets hold; null when nobody knows it.</param>
public readonly record struct CodeCaller(Guid TenantId, string? KeyId)
{
    /// <summary>Names by which the job's caller reads: the job's <c>user</c>, and the <c>readers</c> of its own search. Null is nobody's.</summary>
    public IReadOnlyList<string>? Readers { get; init; }

    /// <summary>How long this call may take before its token fires; null where nobody says.</summary>
    public TimeSpan? Time { get; init; }

    /// <summary>The same for every run of one call; null where none is made.</summary>
    public string? EffectId { get; init; }
}

/// <summary>What came of it.</summary>
/// <param name="Text">What the model is given.</param>
/// <param name="IsError">Whether that says why there is no result.</param>
public readonly record struct CodeResult(string Text, bool IsError = false);

/// <summary>Tools that come with the product, by name.</summary>
public sealed class CodeTools
{
    /// <summary>Name of the tool that looks into a tenant's texts: whoever gives it to a model must be allowed to read them.</summary>
    public const string SearchKnowledge = "search_knowledge";

    private const int LongestTimeout = 120;

    private readonly Dictionary<string, ICodeTool> _tools;

    /// <param name="tools">All that are registered.</param>
    /// <exception cref="ArgumentException">One waits for somebody else, which no code does, or takes more than a call may.</exception>
    public CodeTools(IEnumerable<ICodeTool> tools)
    {
        _tools = tools.ToDictionary(tool => tool.Name, StringComparer.Ordinal);
        if (_tools.Values.FirstOrDefault(tool => tool.Effect == ToolEffect.ExternalWait) is { } waiting)
        {
            throw new ArgumentException($"{waiting.Name} runs here and cannot be of the effect external_wait.", nameof(tools));
        }

        if (_tools.Values.FirstOrDefault(tool => !IsWithinBounds(tool)) is { } greedy)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"{greedy.Name} must have a Timeout of 1 to {LongestTimeout} whole seconds and a MaxResultBytes of 1 to {EgressClient.MostBytes}."
                ),
                nameof(tools)
            );
        }
    }

    /// <summary>As definitions, by name.</summary>
    public IEnumerable<ToolDefinition> All => _tools.Values.OrderBy(tool => tool.Name, StringComparer.Ordinal).Select(Define);

    /// <summary>Names of those that a run may call in its own look: they change nothing and ask nobody, so that they may be called twice.</summary>
    public IEnumerable<string> Inline => _tools.Keys.Where(IsInline).Order(StringComparer.Ordinal);

    /// <summary>Whether it is one of <see cref="Inline"/>.</summary>
    public bool IsInline(string name) => Find(name) is { Effect: ToolEffect.Read, NeedsApproval: false };

    /// <returns>Null when there is none of this name.</returns>
    public ICodeTool? Find(string name) => _tools.GetValueOrDefault(name);

    /// <returns>Null when there is none of this name.</returns>
    public ToolDefinition? Definition(string name) => Find(name) is { } tool ? Define(tool) : null;

    private static bool IsWithinBounds(ICodeTool tool) =>
        tool.Timeout.TotalSeconds is >= 1 and <= LongestTimeout
        && tool.Timeout.Ticks % TimeSpan.TicksPerSecond == 0
        && tool.MaxResultBytes is >= 1 and <= EgressClient.MostBytes;

    private static ToolDefinition Define(ICodeTool tool) =>
        new()
        {
            Name = tool.Name,
            Kind = ApiContracts.Tools.ToolKinds.Code,
            Description = tool.Description,
            Parameters = tool.Parameters,
            Effect = tool.Effect,
            NeedsApproval = tool.NeedsApproval,
            TimeoutSeconds = (int)tool.Timeout.TotalSeconds,
            MaxResultBytes = tool.MaxResultBytes,
        };
}
