using AiBackend.ServiceDefaults;
using AiBackend.Web.Account;

namespace AiBackend.Web.Api;

internal static class ApiRegistration
{
    /// <summary>Two clients of one address: ordinary calls with the usual resilience, event streams without any.</summary>
    public static void AddApiClient(this IHostApplicationBuilder builder)
    {
        var address = ServiceAddress.Of(builder.Configuration, "api");

        builder.Services.AddSingleton<DevelopmentKey>();
        builder.Services.AddScoped<SiteCaller>();
        builder
            .Services.AddHttpClient(ApiClient.Name, client => client.BaseAddress = address)
            // A page that waits for its Api must say so before its reader gives up.
            .AddStandardResilience(options =>
                (options.AttemptTimeout, options.TotalTimeout, options.MaxRetryCount) = (
                    TimeSpan.FromSeconds(3),
                    TimeSpan.FromSeconds(6),
                    2
                )
            );
        builder.Services.AddHttpClient(
            ApiEventStream.Name,
            client =>
            {
                client.BaseAddress = address;
                // A stream lasts as long as its job; ApiEventStream bounds the silence instead.
                client.Timeout = Timeout.InfiniteTimeSpan;
            }
        );
        builder.Services.AddScoped<ApiClient>();
        builder.Services.AddScoped<ApiEventStream>();
    }
}
