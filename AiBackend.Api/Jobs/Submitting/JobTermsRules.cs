using AiBackend.Api.Contracts;
using AiBackend.Api.Conversations;
using AiBackend.Api.Knowledge;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Tools;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What is asked of a job besides its input: looks at it, and pins what holds for the job from now on.</summary>
internal sealed class JobTermsRules(ContractFields contracts, ProviderCatalog providers)
{
    /// <returns>Why the request is refused outright, or null; lesser faults are added to <paramref name="errors"/>.</returns>
    public Refusal? Check(SubmitJobRequest request, JobType type, StoredInput input, FieldErrors errors)
    {
        var tools = input.Tools;
        errors.CheckRange("max_tool_calls", request.MaxToolCalls, 1, ToolsOptions.MostCalls);
        if (tools is null && request.MaxToolCalls is not null && errors.IsEmpty)
        {
            errors.Add("max_tool_calls", "is given without registered tools; leave it out, or name tools in input.tools.");
        }

        if (tools is not null && request.Cache is "read_write")
        {
            errors.Add(
                "cache",
                "is \"read_write\"; the answer of a job with registered tools is not shared, because tools may do something each time."
            );
        }

        if (request.Retrieve is not null && request.Cache is "read_write")
        {
            errors.Add(
                "cache",
                "is \"read_write\"; the answer of a job with retrieve is not shared, because what is retrieved changes with the documents. Leave one of them out."
            );
        }

        if (type != JobType.Chat)
        {
            Only("contract", request.Contract);
            Only("retrieve", request.Retrieve);
            Only("conversation", request.Conversation);
            Only("attachments", request.Attachments);
            Only("artifact", request.Artifact);
            return null;
        }

        if (request.Retrieve is { } query)
        {
            KnowledgeRules.CheckOfJob(query, errors);
        }

        ConversationRules.CheckOfJob(request, input, errors);
        JobFileRules.Check(request, input.Files, errors);
        return contracts.Check(request.Contract, errors);

        void Only(string member, object? value)
        {
            if (value is not null)
            {
                errors.Add(member, $"is for jobs of the type chat; a {type.ToWire()} asks no model.");
            }
        }
    }

    /// <summary>What the request says, and nothing that can change between it and its repeat.</summary>
    /// <remarks>Versions of tools, and what files are, are pinned when the job is new: see <see cref="PinTools"/> and <see cref="PinFiles"/>.</remarks>
    public static JobTerms Asked(SubmitJobRequest request, JobType type, StoredInput input) =>
        type == JobType.Chat
            ? new JobTerms
            {
                Contract = request.Contract,
                Retrieve = request.Retrieve,
                Conversation = request.Conversation,
                Attachments = JobFileRules.Asked(request.Attachments, input.Files),
                Artifact = request.Artifact is { } artifact ? new ArtifactTerms(artifact.Name!, artifact.Type!) : null,
                Tools = input.Tools is { } tools
                    ? new ToolTerms([.. tools.Select(name => new PinnedTool(name, 0))], request.MaxToolCalls)
                    : null,
            }
            : JobTerms.None;

    /// <summary>A contract of the route holds where the job has none; and an answer that becomes a file of JSON is JSON.</summary>
    public JobTerms OfChat(JobTerms asked, string model) => asked with { Contract = asked.ContractOr(() => OfRoute(model)) };

    /// <summary>The terms of a job with a prompt: of contracts the job's holds before the prompt's, and that before the route's.</summary>
    public JobTerms OfPrompt(JobTerms own, string model, string pin, OutputContract? contract) =>
        own with
        {
            Prompt = pin,
            Contract = own.ContractOr(() => contract ?? OfRoute(model)),
        };

    private OutputContract? OfRoute(string model) => providers.Definition(model)?.Contract;
}
