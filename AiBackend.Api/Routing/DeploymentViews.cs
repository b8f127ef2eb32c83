using AiBackend.ApiContracts.Routing;
using AiBackend.Core.Admission;
using AiBackend.Core.Providers;
using AiBackend.Core.Routing;

namespace AiBackend.Api.Routing;

/// <summary>Deployments as callers see them: what holds now, and who decided it.</summary>
internal sealed class DeploymentViews(
    RoutingStore store,
    CredentialStore credentials,
    CatalogRefresh refresh,
    ProviderCatalog catalog,
    LimitUse limits
)
{
    public async Task<IReadOnlyList<Deployment>> ListAsync(CancellationToken cancellationToken)
    {
        await refresh.RefreshAsync(cancellationToken);
        var stored = (await store.LatestAsync(cancellationToken))
            .Where(version => version.Kind == RoutingKind.Deployment)
            .ToDictionary(version => version.Name, StringComparer.Ordinal);
        var keys = await credentials.ListAsync(cancellationToken);
        var used = await limits.ReadAsync(cancellationToken);
        return
        [
            .. catalog.Deployments.Select(deployment =>
                Show(deployment, stored.GetValueOrDefault(deployment.FullName), keys, UseOf(deployment, used))
            ),
        ];
    }

    public async Task<Deployment?> FindAsync(string provider, string model, CancellationToken cancellationToken)
    {
        await refresh.RefreshAsync(cancellationToken);
        var versions = await store.VersionsAsync(RoutingKind.Deployment, RoutingDefinitions.NameOf(provider, model), cancellationToken);
        if (catalog.Find(provider, model) is not { } deployment)
        {
            return null;
        }

        var used = UseOf(deployment, await limits.ReadAsync(cancellationToken));
        return Show(deployment, versions.Count > 0 ? versions[0] : null, await credentials.ListAsync(cancellationToken), used);
    }

    /// <summary>As they were sent: what a version left out is as the configuration has it today.</summary>
    public async Task<IReadOnlyList<Deployment>> VersionsAsync(string provider, string model, CancellationToken cancellationToken)
    {
        var name = RoutingDefinitions.NameOf(provider, model);
        return
        [
            .. (await store.VersionsAsync(RoutingKind.Deployment, name, cancellationToken)).Select(version =>
                ShowSent(provider, model, version)
            ),
        ];
    }

    private Deployment Show(ChatDeployment deployment, RoutingVersion? version, IReadOnlyList<Credential> keys, DeploymentUse? use) =>
        new(
            deployment.Provider,
            deployment.Model,
            version?.Version ?? 0,
            version?.Body is null ? "configuration" : "api",
            new DeploymentLimits
            {
                RequestsPerMinute = deployment.Limits.RequestsPerMinute,
                InputTokensPerMinute = deployment.Limits.InputTokensPerMinute,
                OutputTokensPerMinute = deployment.Limits.OutputTokensPerMinute,
                TokensPerMinute = deployment.Limits.TokensPerMinute,
                ConcurrentCalls = deployment.Limits.ConcurrentCalls,
            },
            new DeploymentTimeouts
            {
                ConnectSeconds = deployment.Timeouts.Connect.TotalSeconds,
                FirstTokenSeconds = deployment.Timeouts.FirstToken.TotalSeconds,
                IdleSeconds = deployment.Timeouts.Idle.TotalSeconds,
                TotalSeconds = deployment.Timeouts.Total.TotalSeconds,
            }
        )
        {
            ContextTokens = deployment.ContextTokens,
            MaxOutputTokens = deployment.MaxOutputTokens,
            Capabilities = deployment.Capabilities,
            Simulated = deployment.Simulated,
            Credential = KeyOf(deployment, keys),
            Use = use,
            CreatedAt = version?.Body is null ? null : version.CreatedAt,
            CreatedBy = version?.Body is null ? null : version.CreatedBy,
        };

    private static Deployment ShowSent(string provider, string model, RoutingVersion version)
    {
        var sent = version.Body is null ? new DeploymentRequest() : RoutingDefinitions.ReadDeployment(version.Body);
        return new Deployment(provider, model, version.Version, "api", sent.Limits ?? new(), sent.Timeouts ?? new())
        {
            ContextTokens = sent.ContextTokens,
            MaxOutputTokens = sent.MaxOutputTokens,
            Capabilities = sent.Capabilities ?? [],
            CreatedAt = version.CreatedAt,
            CreatedBy = version.CreatedBy,
            Deleted = version.Body is null,
        };
    }

    private static DeploymentUse? UseOf(ChatDeployment deployment, IReadOnlyDictionary<string, UsedLimits> used) =>
        deployment.Limits.Any && used.TryGetValue(deployment.FullName, out var now)
            ? new DeploymentUse(now.Requests, now.InputTokens, now.OutputTokens, now.ConcurrentCalls)
            : null;

    private string KeyOf(ChatDeployment deployment, IReadOnlyList<Credential> keys)
    {
        var own = keys.Where(key => key.Provider == deployment.Provider).ToList();
        return own.Exists(key => key.Model == deployment.Model) ? "deployment"
            : own.Exists(key => key.Model is null) ? "provider"
            : catalog.HasConfiguredKey(deployment.Provider) ? "configuration"
            : "none";
    }
}
