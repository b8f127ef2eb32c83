namespace AiBackend.Core.Providers.Catalog;

/// <summary>Where overrides come from. Asked before a name is called unknown, because another process may just have added it.</summary>
public interface ICatalogSource
{
    /// <summary>Brings the catalog up to date if it is not.</summary>
    /// <returns>False when that could not be found out.</returns>
    ValueTask<bool> RefreshAsync(CancellationToken cancellationToken);
}

/// <summary>The configuration is all there is.</summary>
internal sealed class ConfigurationOnly : ICatalogSource
{
    public ValueTask<bool> RefreshAsync(CancellationToken cancellationToken) => ValueTask.FromResult(true);
}
