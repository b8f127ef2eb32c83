using System.Text.Json.Nodes;
using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Audit;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Privacy;

/// <summary>What an operator sees of another tenant takes a reason, which that tenant reads in its audit log.</summary>
internal sealed class OperatorLook(AuditLog audit)
{
    public const string Parameter = "reason";

    /// <summary>The same for the OpenAPI document.</summary>
    public static readonly DescribedParameter Described = Query(
        Parameter,
        $"For operators, of another tenant, which takes the scope `{Policies.WriteOperations}`: why you look. The tenant reads it in its audit log."
    );

    private const int LongestReason = 500;

    /// <summary>Writes it down before anything is shown; of one's own tenant nothing.</summary>
    /// <param name="context">The request.</param>
    /// <param name="tenantId">Whose.</param>
    /// <param name="kind">What is looked at.</param>
    /// <param name="name">Which.</param>
    /// <returns>Why it is not shown, or null.</returns>
    public async Task<Refusal?> NoteAsync(HttpContext context, Guid tenantId, string kind, string name)
    {
        if (QueryParameters.TryReadText(context.Request, Parameter, out var reason) is { } repeated)
        {
            return repeated;
        }

        if (tenantId == context.GetTenantId())
        {
            return null;
        }

        // Every key of the operators' own programs may read jobs: theirs.
        if (!context.User.GetCaller().Has(Policies.WriteOperations))
        {
            return ProblemTypes.MissingScope.With(
                $"Looking at what is another tenant's takes the scope {Policies.WriteOperations}. Use a key, or sign in as a user, that has it."
            );
        }

        if (string.IsNullOrWhiteSpace(reason) || reason.Length > LongestReason)
        {
            return ProblemTypes.ReasonNeeded.At(
                Parameter,
                $"This is another tenant's. Say with reason=… why you look at it, in up to {LongestReason} characters; the tenant reads it in its audit log."
            );
        }

        // None: who has asked may see it a moment later, whether he waits for this or not.
        await audit.AddAsync(
            AuditedRequests.ActorOf(context)! with
            {
                TenantId = tenantId,
            },
            kind,
            name,
            new JsonObject { ["reason"] = reason }.ToJsonString(),
            CancellationToken.None
        );
        return null;
    }
}
