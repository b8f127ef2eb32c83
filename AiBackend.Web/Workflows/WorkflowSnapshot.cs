using AiBackend.ApiContracts.Workflows;

namespace AiBackend.Web.Workflows;

/// <summary>What the page of one workflow shows, taken at one moment.</summary>
/// <param name="Workflow">The version that is shown.</param>
/// <param name="Versions">All of them, newest first, page by page.</param>
public sealed record WorkflowSnapshot(Workflow Workflow, WorkflowList Versions);
