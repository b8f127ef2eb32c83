using AiBackend.Api.Problems;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Code;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Decides which version of its tools a new job has. Only for jobs that name some: others pay nothing for it.</summary>
internal sealed class PinTools(ToolStore store, CodeTools code)
{
    /// <summary>The draft with the versions of the tools that it names.</summary>
    public async ValueTask<(Refusal? Refusal, JobDraft Draft)> PinAsync(JobDraft draft, CancellationToken cancellationToken)
    {
        if (draft.Terms is null || JobTerms.Read(draft.Terms) is not { Tools: { } named } terms)
        {
            return (null, draft);
        }

        var names = named.Pinned.Select(tool => tool.Name).ToList();
        var (refusal, pinned) = await PinAsync(draft.TenantId, draft.KeyId, names, "input.tools", cancellationToken);
        return refusal is null
            ? (null, draft with { Terms = (terms with { Tools = named with { Pinned = pinned } }).ToColumn() })
            : (refusal, draft);
    }

    /// <summary>A tool that is another tenant's, or not for this key, is not found.</summary>
    /// <param name="tenantId">Whose tools.</param>
    /// <param name="keyId">For which key.</param>
    /// <param name="names">Which.</param>
    /// <param name="place">What names them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<(Refusal? Refusal, IReadOnlyList<PinnedTool> Pinned)> PinAsync(
        Guid tenantId,
        string? keyId,
        IReadOnlyList<string> names,
        string place,
        CancellationToken cancellationToken
    )
    {
        var stored = (await store.LatestAsync(tenantId, [.. names], cancellationToken)).ToDictionary(
            tool => tool.Name,
            tool => tool.Definition!,
            StringComparer.Ordinal
        );
        var pinned = new List<PinnedTool>();
        foreach (var name in names)
        {
            if ((code.Definition(name) ?? stored.GetValueOrDefault(name)) is not { } tool || !tool.IsFor(keyId))
            {
                return (
                    ProblemTypes.UnknownTool.At(
                        place,
                        $"{place} names {Quoted.Of(name)}, and there is no such tool for this key. GET /api/v1/tools lists them."
                    ),
                    []
                );
            }

            pinned.Add(new PinnedTool(name, tool.Version));
        }

        return (null, pinned);
    }
}
