using AiBackend.Api.Auth.Limits;
using AiBackend.Core.Tenancy;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;

namespace AiBackend.Api.Auth;

/// <summary>What a key may do. Every endpoint names one of these, or says that anybody may come in.</summary>
internal static class Policies
{
    public const string ReadJobs = "jobs:read";
    public const string WriteJobs = "jobs:write";
    public const string ReadOperations = "operations:read";
    public const string WriteOperations = "operations:write";
    public const string ReadKeys = "keys:read";
    public const string WriteKeys = "keys:write";
    public const string ReadTenants = "tenants:read";
    public const string WriteTenants = "tenants:write";
    public const string ReadAudit = "audit:read";
    public const string ReadUsers = "users:read";
    public const string WriteUsers = "users:write";
    public const string ReadWebhooks = "webhooks:read";
    public const string WriteWebhooks = "webhooks:write";
    public const string ReadKnowledge = "knowledge:read";
    public const string WriteKnowledge = "knowledge:write";
    public const string WritePrompts = "prompts:write";
    public const string WriteWorkflows = "workflows:write";
    public const string ReadReviews = "reviews:read";
    public const string WriteReviews = "reviews:write";
    public const string ReadTools = "tools:read";
    public const string WriteTools = "tools:write";

    /// <summary>Besides a scope: what is about the whole installation takes a key of the operators' tenant.</summary>
    public const string Operators = "operators";

    /// <summary>Any valid key.</summary>
    public const string AnyKey = "any-key";

    /// <summary>Scope that contains all others.</summary>
    public const string Everything = "*";

    /// <summary>What a key can be given, besides <see cref="Everything"/>.</summary>
    public static readonly string[] Scopes =
    [
        ReadJobs,
        WriteJobs,
        ReadOperations,
        WriteOperations,
        ReadKeys,
        WriteKeys,
        ReadTenants,
        WriteTenants,
        ReadAudit,
        ReadUsers,
        WriteUsers,
        ReadWebhooks,
        WriteWebhooks,
        ReadKnowledge,
        WriteKnowledge,
        WritePrompts,
        WriteWorkflows,
        ReadReviews,
        WriteReviews,
        ReadTools,
        WriteTools,
    ];

    public static void AddApiKeys(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddAuthentication(ApiKeyHandler.SchemeName)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.SchemeName, null);

        builder
            .Services.AddOptions<AttemptOptions>()
            .BindConfiguration(AttemptOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder
            .Services.AddOptions<TenantLimitOptions>()
            .BindConfiguration(AttemptOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.AddKeyLimitOptions();
        builder.Services.AddSingleton<TenantLimits>().AddSingleton<AddressLimits>();
        builder.Services.AddSingleton<Callers>().AddSingleton<AttemptLimits>().AddSingleton<KeyRateLimits>();
        builder.Services.AddSingleton<LiveKeys>().AddHostedService(services => services.GetRequiredService<LiveKeys>());

        var anyKey = new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build();
        var authorization = builder.Services.AddAuthorizationBuilder();
        // An endpoint that forgot its policy, and an address that does not exist, are closed too.
        authorization.SetDefaultPolicy(anyKey).SetFallbackPolicy(anyKey).AddPolicy(AnyKey, anyKey);
        authorization.AddPolicy(
            Operators,
            policy => policy.RequireAuthenticatedUser().RequireAssertion(context => Allows(context, Operators))
        );
        foreach (var scope in Scopes)
        {
            authorization.AddPolicy(scope, policy => policy.RequireAuthenticatedUser().RequireAssertion(context => Allows(context, scope)));
        }
    }

    private static bool Allows(AuthorizationHandlerContext context, string policy) =>
        context.User.Identity is CallerIdentity { Caller: { } caller } && caller.Meets(policy);

    /// <summary>Whether a caller meets one of these policies; null is what endpoints have that name none.</summary>
    public static bool Meets(this Caller caller, string? policy) =>
        policy switch
        {
            null or AnyKey => true,
            Operators => caller.IsOperator(),
            var scope => caller.Has(scope),
        };

    /// <summary>Whether a caller acts for who runs the installation.</summary>
    public static bool IsOperator(this Caller caller) => caller.TenantId == ApiKeyStore.DefaultTenant;

    /// <summary>Whether a caller belongs to the operators' organisation, but not to their tenant: it may not reach for what makes operators.</summary>
    public static bool IsBesideOperators(this Caller caller) => caller.OrganisationId == ApiKeyStore.DefaultTenant && !caller.IsOperator();

    /// <summary>Whether a caller has a scope.</summary>
    public static bool Has(this Caller caller, string scope) =>
        caller.Scopes.Contains(scope, StringComparer.Ordinal) || caller.Scopes.Contains(Everything, StringComparer.Ordinal);
}
