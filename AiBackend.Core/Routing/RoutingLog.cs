using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Routing;

/// <summary>Log events 2700-2799 (docs/operations.md). Never pass a key.</summary>
internal static partial class RoutingLog
{
    [LoggerMessage(
        2700,
        LogLevel.Information,
        "Routes and deployments were brought to revision {Revision}: {Routes} routes, {Deployments} deployments and {Keys} keys were set over the configuration"
    )]
    public static partial void CatalogRefreshed(this ILogger logger, long revision, int routes, int deployments, int keys);

    [LoggerMessage(2701, LogLevel.Warning, "Routes and deployments could not be read; the latest ones known stay in use")]
    public static partial void CatalogRefreshFailed(this ILogger logger, Exception failure);

    [LoggerMessage(
        2702,
        LogLevel.Error,
        "The key that was set for provider {Provider} and model '{Model}' cannot be read with the present Routing:CredentialSecret and Installation:Name; the configured key is used. Set the key again"
    )]
    public static partial void CredentialUnreadable(this ILogger logger, string provider, string model);

    [LoggerMessage(
        2703,
        LogLevel.Warning,
        "The {Kind} {Name} names provider {Provider}, which is not configured here; that part of it is passed over"
    )]
    public static partial void ProviderGone(this ILogger logger, string kind, string name, string provider);

    [LoggerMessage(
        2704,
        LogLevel.Error,
        "Version {Version} of the {Kind} {Name} cannot be read by this build; it is passed over as if it had not been set"
    )]
    public static partial void VersionUnreadable(this ILogger logger, Exception failure, int version, RoutingKind kind, string name);
}
