using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

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

    /// <returns>Why the caller's jobs may not be given passages, or null. Their answers may quote them.</returns>
    public static Refusal? RefuseRetrieval(Caller caller, JobTerms asked) =>
        asked.Retrieve is null || caller.Has(Policies.ReadKnowledge)
            ? null
            : ProblemTypes.MissingScope.At(
                "retrieve",
                $"retrieve gives passages to the job's model; the key {caller.KeyId} lacks the scope {Policies.ReadKnowledge}. Leave it out, or use a key that may read them."
            );
}
