using AiBackend.ApiContracts.Money;

namespace AiBackend.Web.Api;

/// <content>What calls cost and may cost.</content>
internal sealed partial class ApiClient
{
    /// <param name="query">Parameters of the address, escaped.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<ApiResult<UsageReport>> GetUsageAsync(string query, CancellationToken cancellationToken) =>
        GetAsync("api/v1/usage?" + query, ClientJson.Lenient.UsageReport, cancellationToken);

    /// <param name="tenant">Another tenant, or <c>*</c>; null is the key's own.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<ApiResult<BudgetList>> ListBudgetsAsync(string? tenant, CancellationToken cancellationToken) =>
        GetAsync(
            "api/v1/budgets" + (tenant is null ? "" : "?tenant=" + Uri.EscapeDataString(tenant)),
            ClientJson.Lenient.BudgetList,
            cancellationToken
        );
}
