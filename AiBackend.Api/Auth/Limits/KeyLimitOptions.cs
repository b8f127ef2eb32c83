using System.ComponentModel.DataAnnotations;

namespace AiBackend.Api.Auth.Limits;

/// <summary>How much a key may ask for that has no number of its own. Section <c>Limits</c>; changes need a restart. 0 is no limit.</summary>
internal sealed class KeyLimitOptions
{
    /// <summary>Requests that submit work, in a minute at each server. Default 6 000; in Development 0.</summary>
    [Range(0, 100_000_000)]
    public long? KeyRequestsPerMinute { get; set; }

    /// <summary>
    /// Jobs of the priorities above <c>batch</c> that may stand in line at once, over all servers. What is to begin later, or waits for something else
    /// than a slot, is not counted. Default 5 000; in Development 0.
    /// </summary>
    [Range(0, 100_000_000)]
    public long? KeyMaxQueued { get; set; }

    /// <summary>Streams that are open at each server; no key has a number of its own. Default 1 000; in Development 10 000.</summary>
    [Range(1, 1_000_000)]
    public int? OpenStreamsPerKey { get; set; }
}

/// <summary>A key that runs away harms nobody before anybody has set a limit; who tries things out or measures them is not held up.</summary>
internal static class KeyLimitDefaults
{
    public static void AddKeyLimitOptions(this IHostApplicationBuilder builder)
    {
        var isDevelopment = builder.Environment.IsDevelopment();
        builder
            .Services.AddOptions<KeyLimitOptions>()
            .BindConfiguration(AttemptOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart()
            .PostConfigure(options =>
            {
                options.KeyRequestsPerMinute ??= isDevelopment ? 0 : 6_000;
                options.KeyMaxQueued ??= isDevelopment ? 0 : 5_000;
                options.OpenStreamsPerKey ??= isDevelopment ? 10_000 : 1_000;
            });
    }
}
