using AiBackend.ApiContracts.Workflows;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <content>Workflows, and what runs were asked to do.</content>
internal sealed partial class ApiClient
{
    public Task<ApiResult<WorkflowList>> ListWorkflowsAsync(string? cursor, CancellationToken cancellationToken) =>
        GetAsync(WithCursor("api/v1/workflows?limit=100", cursor), ClientJson.Lenient.WorkflowList, cancellationToken);

    public Task<ApiResult<WorkflowList>> ListWorkflowVersionsAsync(string name, string? cursor, CancellationToken cancellationToken) =>
        GetAsync(WithCursor(WorkflowPath(name) + "/versions?limit=50", cursor), ClientJson.Lenient.WorkflowList, cancellationToken);

    /// <param name="name">Which.</param>
    /// <param name="version">Null is the newest.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<ApiResult<Workflow>> GetWorkflowAsync(string name, int? version, CancellationToken cancellationToken) =>
        GetAsync(
            WorkflowPath(name) + (version is { } number ? Invariant($"?version={number}") : ""),
            ClientJson.Lenient.Workflow,
            cancellationToken
        );

    /// <summary>What a run was asked to do.</summary>
    public Task<ApiResult<RunOrder>> GetRunOrderAsync(Guid run, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/jobs/{run}/input", ClientJson.Lenient.RunOrder, cancellationToken);

    private static string WorkflowPath(string name) => "api/v1/workflows/" + Uri.EscapeDataString(name);
}
