using System.Text.Json;
using AiBackend.Core.Database;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Routing;

/// <summary>Keeps this process's catalog as operators have set it: at once when it made the change itself, else within a second.</summary>
/// <remarks>By asking Postgres and not by a message: it costs a read of one row a second, and works without Redis.</remarks>
public sealed class CatalogRefresh(
    RoutingStore store,
    CredentialStore credentials,
    ProviderCatalog catalog,
    IOptions<ProvidersOptions> providers,
    IOptions<RoutingOptions> options,
    IStorageWatch storage,
    TimeProvider clock,
    ILogger<CatalogRefresh> logger
) : BackgroundService, ICatalogSource
{
    private readonly SemaphoreSlim _one = new(1);
    private long _revision = -1;

    /// <inheritdoc/>
    public async ValueTask<bool> RefreshAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            var revision = await store.RevisionAsync(cancellationToken);
            if (revision != _revision)
            {
                // Read after the revision: what is newer than it is read again at the next look.
                await ApplyAsync(revision, cancellationToken);
                _revision = revision;
            }

            return true;
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            if (!storage.Report(failure))
            {
                logger.CatalogRefreshFailed(failure);
            }

            return false;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _one.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await storage.WaitUntilBackAsync(stoppingToken);
                await RefreshAsync(stoppingToken);
                await Task.Delay(options.Value.RefreshEvery, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends.
        }
    }

    private async Task ApplyAsync(long revision, CancellationToken cancellationToken)
    {
        var latest = (await store.LatestAsync(cancellationToken)).Where(version => version.Body is not null).ToList();
        var keys = await credentials.ReadAsync(cancellationToken);
        var overrides = new CatalogOverrides(
            latest
                .Where(version => version.Kind == RoutingKind.Route)
                .Select(version => (version.Name, Route: RouteOf(version)))
                .Where(route => route.Route is not null)
                .ToDictionary(route => route.Name, route => route.Route!, StringComparer.Ordinal),
            [.. latest.Where(version => version.Kind == RoutingKind.Deployment).Select(DeploymentOf).OfType<DeploymentDefinition>()],
            keys.Where(IsReadable).ToDictionary(key => (key.Credential.Provider, key.Credential.Model ?? ""), key => key.Value!)
        );
        WarnOfTheGone(overrides);
        catalog.Apply(overrides);
        logger.CatalogRefreshed(revision, overrides.Routes.Count, overrides.Deployments.Count, overrides.Keys.Count);
    }

    private RouteDefinition? RouteOf(RoutingVersion version) =>
        Read(version, body => RoutingDefinitions.RouteOf(RoutingDefinitions.ReadRoute(body)) with { Version = version.Version });

    /// <returns>Null for what a newer build wrote in a way that this one does not understand: one route must not stop every process.</returns>
    private T? Read<T>(RoutingVersion version, Func<string, T> read)
        where T : class
    {
        try
        {
            return read(version.Body!);
        }
        catch (Exception failure) when (failure is JsonException or NullReferenceException or ArgumentNullException)
        {
            logger.VersionUnreadable(failure, version.Version, version.Kind, version.Name);
            return null;
        }
    }

    private DeploymentDefinition? DeploymentOf(RoutingVersion version)
    {
        var (provider, model) = RoutingDefinitions.Split(version.Name);
        if (ProviderOf(provider) is not { } configured)
        {
            logger.ProviderGone("deployment", version.Name, provider);
            return null;
        }

        return Read(version, body => RoutingDefinitions.DeploymentOf(RoutingDefinitions.ReadDeployment(body), configured, model));
    }

    private void WarnOfTheGone(CatalogOverrides overrides)
    {
        foreach (var (name, route) in overrides.Routes)
        {
            foreach (var target in route.Targets.Where(target => ProviderOf(target.Provider) is null))
            {
                logger.ProviderGone("route", name, target.Provider);
            }
        }
    }

    private bool IsReadable((ApiContracts.Routing.Credential Credential, string? Value) key)
    {
        if (key.Value is null)
        {
            logger.CredentialUnreadable(key.Credential.Provider, key.Credential.Model ?? "");
        }

        return key.Value is not null;
    }

    private ProviderOptions? ProviderOf(string name) => providers.Value.Providers.FirstOrDefault(provider => provider.Name == name);
}
