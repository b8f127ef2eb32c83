using Microsoft.AspNetCore.HostFiltering;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>The names under which a site may be asked for: a foreign name that leads here gets 400, and no link is made of it.</summary>
public static class HostNames
{
    /// <summary>Refuses to start in Production while any name is taken (<c>AllowedHosts</c>).</summary>
    public static void RequireHostNames(this IHostApplicationBuilder builder)
    {
        if (builder.Environment.IsProduction())
        {
            builder.Services.AddOptions<HostFilteringOptions>().ValidateOnStart();
            builder.Services.AddSingleton<IValidateOptions<HostFilteringOptions>, NoNamesButOurs>();
        }
    }

    private sealed class NoNamesButOurs : IValidateOptions<HostFilteringOptions>
    {
        public ValidateOptionsResult Validate(string? name, HostFilteringOptions options) =>
            options.AllowedHosts is { Count: > 0 } names && !names.Any(each => each is "*" or "[::]" or "0.0.0.0")
                ? ValidateOptionsResult.Success
                : ValidateOptionsResult.Fail(
                    $"AllowedHosts is '{string.Join(';', options.AllowedHosts ?? [])}', which takes any name. In Production set it to the names and addresses that callers and health checks use, parted by ';', for example AllowedHosts=api.example.com;10.0.0.7."
                );
    }
}
