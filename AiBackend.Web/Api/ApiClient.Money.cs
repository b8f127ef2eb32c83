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
        GetAsync("api/v1/budgets" + Of(tenant), ClientJson.Lenient.BudgetList, cancellationToken);

    /// <inheritdoc cref="ListBudgetsAsync" />
    public Task<ApiResult<Budget>> AddBudgetAsync(string? tenant, BudgetRequest wanted, CancellationToken cancellationToken) =>
        PostAsync(
            "api/v1/budgets" + Of(tenant),
            wanted,
            ClientJson.Lenient.BudgetRequest,
            null,
            ClientJson.Lenient.Budget,
            cancellationToken
        );

    public Task<ApiResult<Budget>> ChangeBudgetAsync(Guid id, string? tenant, BudgetRequest wanted, CancellationToken cancellationToken) =>
        ActAsync(
            new(HttpMethod.Put, $"api/v1/budgets/{id}" + Of(tenant))
            {
                Content = JsonContent.Create(wanted, ClientJson.Lenient.BudgetRequest),
            },
            ClientJson.Lenient.Budget,
            cancellationToken
        );

    public Task<ApiResult<Nothing>> EndBudgetAsync(Guid id, string? tenant, CancellationToken cancellationToken) =>
        DeleteAsync($"api/v1/budgets/{id}" + Of(tenant), cancellationToken);

    private static string Of(string? tenant) => tenant is null ? "" : "?tenant=" + Uri.EscapeDataString(tenant);
}
