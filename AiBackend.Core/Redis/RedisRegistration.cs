using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Redis;

/// <summary>Registers the process' Redis connection.</summary>
public static class RedisRegistration
{
    /// <summary>Adds <see cref="RedisConnection"/>.</summary>
    public static void AddRedis(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<RedisOptions>().BindConfiguration(RedisOptions.SectionName).ValidateDataAnnotations().ValidateOnStart();
        if (builder.Environment.IsProduction())
        {
            builder.Services.AddSingleton<IValidateOptions<RedisOptions>, RedisPassword>();
        }

        builder.Services.AddSingleton<RedisConnection>();
        builder.Services.AddSingleton<IRedisChannels>(services => services.GetRequiredService<RedisConnection>());
    }
}
