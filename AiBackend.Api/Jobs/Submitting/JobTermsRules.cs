using AiBackend.Api.Contracts;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What is asked of a job besides its input: looks at it, and pins what holds for the job from now on.</summary>
internal sealed class JobTermsRules(ContractFields contracts, ProviderCatalog providers)
{
    /// <returns>Why the request is refused outright, or null; lesser faults are added to <paramref name="errors"/>.</returns>
    public Refusal? Check(SubmitJobRequest request, JobType type, FieldErrors errors)
    {
        if (request.Contract is not null && type != JobType.Chat)
        {
            errors.Add("contract", $"is for jobs of the type chat; a {type.ToWire()} has no answer to look at.");
            return null;
        }

        return contracts.Check(request.Contract, errors);
    }

    /// <summary>A contract of the route holds where the job has none.</summary>
    public JobTerms Of(SubmitJobRequest request, JobType type) =>
        type == JobType.Chat
        && (request.Contract ?? providers.Definition(request.Model ?? ProviderCatalog.DefaultRoute)?.Contract) is { } contract
            ? new JobTerms { Contract = contract }
            : JobTerms.None;
}
