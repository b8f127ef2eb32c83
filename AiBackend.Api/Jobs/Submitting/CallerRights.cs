using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools.Code;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What the jobs of a key may do besides being submitted.</summary>
internal static class CallerRights
{
    /// <returns>Why the caller's jobs may not ask for this model, or null.</returns>
    public static Refusal? RefuseModel(Caller caller, string model) =>
        caller.MayAskFor(model)
            ? null
            : ProblemTypes.ModelNotAllowed.At(
                "model",
                $"model is {Quoted.Of(model)}; the key {caller.KeyId} allows {string.Join(", ", caller.AllowedModels!)}. Ask for one of these, or use another key."
            );

    /// <returns>Why the caller's jobs may not be given passages, nor look for them, or null. Their answers may quote them.</returns>
    public static Refusal? RefuseRetrieval(Caller caller, JobTerms asked)
    {
        var place =
            asked.Retrieve is not null ? "retrieve"
            : asked.Tools?.Pinned.Any(tool => tool.Name == CodeTools.SearchKnowledge) == true ? "input.tools"
            : null;
        return place is null || caller.Has(Policies.ReadKnowledge)
            ? null
            : ProblemTypes.MissingScope.At(
                place,
                $"{place} gives passages to the job's model; the key {caller.KeyId} lacks the scope {Policies.ReadKnowledge}. Leave it out, or use a key that may read them."
            );
    }
}
