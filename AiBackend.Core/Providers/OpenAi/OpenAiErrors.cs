using System.ClientModel.Primitives;
using System.Globalization;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>Reads what a provider says when it refuses.</summary>
internal static class OpenAiErrors
{
    /// <summary>Enough for any error object; more is not worth the memory.</summary>
    private const int MaxBody = 64 * 1024;

    /// <summary>A provider that asks for more is as good as away; the job's own schedule decides.</summary>
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(1);

    public static async Task<ProviderErrorException> ReadAsync(
        string provider,
        PipelineResponse response,
        CancellationToken cancellationToken
    )
    {
        var body = new byte[MaxBody];
        var length = 0;
        if (response.ContentStream is { } content)
        {
            try
            {
                length = await content.ReadAtLeastAsync(body, MaxBody, throwOnEndOfStream: false, cancellationToken);
            }
            catch (IOException)
            {
                // The status alone has to do.
            }
        }

        var error = ProviderErrorBody.Parse(body.AsSpan(0, length));
        return new ProviderErrorException(provider, response.Status, error.Word, RetryAfter(response.Headers));
    }

    private static TimeSpan? RetryAfter(PipelineResponseHeaders headers)
    {
        var wait =
            Number(headers, "retry-after-ms") is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds)
            : Number(headers, "retry-after") is { } seconds ? TimeSpan.FromSeconds(seconds)
            : UntilDate(headers);
        return wait is { } known ? TimeSpan.FromTicks(Math.Clamp(known.Ticks, 0, LongestRetryAfter.Ticks)) : null;
    }

    private static double? Number(PipelineResponseHeaders headers, string name) =>
        headers.TryGetValue(name, out var text)
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && number is >= 0 and < 1e9
            ? number
            : null;

    /// <summary>The date form is compared with the provider's own Date header, so that neither clock has to be right.</summary>
    private static TimeSpan? UntilDate(PipelineResponseHeaders headers) =>
        Instant(headers, "retry-after") is { } then && Instant(headers, "date") is { } now ? then - now : null;

    private static DateTimeOffset? Instant(PipelineResponseHeaders headers, string name) =>
        headers.TryGetValue(name, out var text)
        && DateTimeOffset.TryParseExact(text, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant)
            ? instant
            : null;
}
