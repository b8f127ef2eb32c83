using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Tenancy;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Money;
using AiBackend.Core.Money;
using Budget = AiBackend.Core.Money.Budget;
using WireBudget = AiBackend.ApiContracts.Money.Budget;

namespace AiBackend.Api.Money;

/// <summary><c>/api/v1/budgets</c>.</summary>
internal sealed class BudgetRequests(BudgetStore store, TenantOf owner)
{
    public async Task ListAsync(HttpContext context)
    {
        var (refusal, tenantId) = await OwnerAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var budgets = await store.ListAsync(tenantId, null, context.RequestAborted);
        var list = new BudgetList([.. budgets.Select(Show)]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.BudgetList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, budget) = await FindAsync(context);
        await AnswerAsync(context, refusal, budget, StatusCodes.Status200OK);
    }

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.BudgetRequest);
        var (unknown, tenantId) = await OwnerAsync(context);
        Budget? added = null;
        if (
            (refusal ??= unknown ?? Named(tenantId)) is null
            && (refusal = BudgetRules.CheckNew(request, tenantId!.Value, out var wanted) ?? RefuseOthers(context, wanted)) is null
        )
        {
            added = await store.AddAsync(wanted, context.User.GetCaller().KeyId, context.RequestAborted);
            refusal = added is not null
                ? null
                : ProblemTypes.BudgetExists.With(
                    $"There is a budget with the scope {wanted.Scope.ToWire()}, the same subject and the window {wanted.Period.ToWire()}. Change that one with PUT, or end it first."
                );
        }

        if (added is not null)
        {
            context.Response.Headers.Location = $"/api/v1/budgets/{added.Id}";
        }

        await AnswerAsync(context, refusal, added, StatusCodes.Status201Created);
    }

    public async Task PutAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.BudgetRequest);
        var (unknown, budget) = await FindAsync(context);
        Budget? now = null;
        if (
            (refusal ??= unknown ?? RefuseOthers(context, budget!)) is null
            && (refusal = BudgetRules.CheckChange(request, budget!, out var changed)) is null
        )
        {
            now = await store.ChangeAsync(changed, context.User.GetCaller().KeyId, context.RequestAborted);
            refusal = now is null ? Unknown(context) : null;
        }

        await AnswerAsync(context, refusal, now, StatusCodes.Status200OK);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var (refusal, budget) = await FindAsync(context);
        refusal ??= RefuseOthers(context, budget!);
        if (refusal is null && await store.EndAsync(budget!.TenantId, budget.Id, context.User.GetCaller().KeyId, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            await context.RefuseAsync(refusal ?? Unknown(context));
        }
    }

    private static Task AnswerAsync(HttpContext context, Refusal? refusal, Budget? budget, int status) =>
        refusal is null ? JsonAnswer.WriteAsync(context, status, Show(budget!), WireJson.Default.Budget) : context.RefuseAsync(refusal);

    private async Task<(Refusal? Refusal, Guid? TenantId)> OwnerAsync(HttpContext context) =>
        QueryParameters.CheckNames(context.Request, TenantOf.Parameter) is { } unknown ? (unknown, null) : await owner.ReadAsync(context);

    /// <summary>What holds for everybody is the operators' to set.</summary>
    private static Refusal? RefuseOthers(HttpContext context, Budget budget) =>
        budget.Scope == BudgetScope.Global && !context.User.GetCaller().IsOperator()
            ? ProblemTypes.MissingScope.With("Only a key of the operators' tenant, default, sets global budgets. Set one of your tenant.")
            : null;

    private static Refusal? Named(Guid? tenantId) =>
        tenantId is null
            ? ProblemTypes.InvalidValue.At(
                TenantOf.Parameter,
                $"tenant is {Quoted.Of(TenantOf.Everybody)}, but a new budget is of one tenant; name it, or set the scope global."
            )
            : null;

    private async Task<(Refusal? Refusal, Budget? Budget)> FindAsync(HttpContext context)
    {
        var (refusal, tenantId) = await OwnerAsync(context);
        var found =
            refusal is null && IdOf(context) is { } id
                ? (await store.ListAsync(tenantId, id, context.RequestAborted)).SingleOrDefault()
                : null;
        return (refusal ?? (found is null ? Unknown(context) : null), found);
    }

    private static Guid? IdOf(HttpContext context) => Guid.TryParse((string)context.Request.RouteValues["id"]!, out var id) ? id : null;

    private static Refusal Unknown(HttpContext context) =>
        ProblemTypes.BudgetNotFound.With(
            $"There is no budget {Quoted.Of((string)context.Request.RouteValues["id"]!)}. GET /api/v1/budgets lists them."
        );

    private static WireBudget Show(Budget budget) =>
        new()
        {
            Id = budget.Id,
            Tenant = budget.Scope == BudgetScope.Global ? null : budget.Tenant,
            Scope = budget.Scope.ToWire(),
            Subject = budget.Subject.Length == 0 ? null : budget.Subject,
            Window = budget.Period.ToWire(),
            LimitUsd = budget.LimitUsd,
            Hard = budget.Hard,
            Thresholds = [.. budget.Thresholds.Select(percent => (int)percent)],
            SpentUsd = budget.SettledUsd,
            ReservedUsd = budget.ReservedUsd,
            HoldsBack = budget.IsRefusing,
            WindowStartedAt = budget.Period == BudgetPeriod.Total ? budget.CreatedAt : budget.WindowAt,
            WindowEndsAt = budget.TurnsAt,
            CreatedAt = budget.CreatedAt,
        };
}
