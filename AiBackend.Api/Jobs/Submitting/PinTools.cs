using AiBackend.Api.Problems;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Code;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Decides which version of its tools a new job has. Only for jobs that name some: others pay nothing for it.</summary>
internal sealed class PinTools(ToolStore store, CodeTools code)
{
    /// <summary>A tool that is another tenant's, or not for this key, is not found.</summary>
    public async ValueTask<(Refusal? Refusal, JobDraft Draft)> PinAsync(JobDraft draft, CancellationToken cancellationToken)
    {
        if (draft.Terms is null || JobTerms.Read(draft.Terms) is not { Tools: { } named } terms)
        {
            return (null, draft);
        }

        var stored = (await store.LatestAsync(draft.TenantId, [.. named.Pinned.Select(tool => tool.Name)], cancellationToken)).ToDictionary(
            tool => tool.Name,
            tool => tool.Definition!,
            StringComparer.Ordinal
        );
        var pinned = new List<PinnedTool>();
        foreach (var (name, _) in named.Pinned)
        {
            if ((code.Definition(name) ?? stored.GetValueOrDefault(name)) is not { } tool || !tool.IsFor(draft.KeyId))
            {
                return (
                    ProblemTypes.UnknownTool.At(
                        "input.tools",
                        $"input.tools names {Quoted.Of(name)}, and there is no such tool for this key. GET /api/v1/tools lists them."
                    ),
                    draft
                );
            }

            pinned.Add(new PinnedTool(name, tool.Version));
        }

        return (null, draft with { Terms = (terms with { Tools = named with { Pinned = pinned } }).ToColumn() });
    }
}
