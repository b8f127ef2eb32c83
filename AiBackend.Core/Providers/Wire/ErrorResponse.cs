using System.Globalization;
using System.Net.Http.Headers;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers.Wire;

/// <summary>Reads what a provider says when it refuses.</summary>
internal static class ErrorResponse
{
    /// <summary>Enough for any error object; more is not worth the memory.</summary>
    private const int MaxBody = 64 * 1024;

    /// <summary>A provider that asks for more is as good as away; the job's own schedule decides.</summary>
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(1);

    public static async Task<ProviderErrorException> ReadAsync(
        string provider,
        HttpResponseMessage response,
        CancellationToken cancellationToken
    )
    {
        var body = new byte[MaxBody];
        var length = 0;
        try
        {
            await using var content = await response.Content.ReadAsStreamAsync(cancellationToken);
            length = await content.ReadAtLeastAsync(body, MaxBody, throwOnEndOfStream: false, cancellationToken);
        }
        catch (IOException)
        {
            // The status alone has to do.
        }

        var error = ProviderErrorBody.Parse(body.AsSpan(0, length));
        return new ProviderErrorException(provider, (int)response.StatusCode, error.Word, RetryAfter(response.Headers))
        {
            CallsPerMinute = LimitHeaders.CallsPerMinute(name => Text(response.Headers, name)),
        };
    }

    private static TimeSpan? RetryAfter(HttpResponseHeaders headers)
    {
        var wait =
            Number(headers, "retry-after-ms") is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds)
            : Number(headers, "retry-after") is { } seconds ? TimeSpan.FromSeconds(seconds)
            : UntilDate(headers);
        return wait is { } known ? TimeSpan.FromTicks(Math.Clamp(known.Ticks, 0, LongestRetryAfter.Ticks)) : null;
    }

    private static double? Number(HttpResponseHeaders headers, string name) =>
        double.TryParse(Text(headers, name), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number is >= 0 and < 1e9
            ? number
            : null;

    /// <summary>The date form is compared with the provider's own Date header, so that neither clock has to be right.</summary>
    private static TimeSpan? UntilDate(HttpResponseHeaders headers) =>
        Instant(headers, "retry-after") is { } then && Instant(headers, "date") is { } now ? then - now : null;

    private static DateTimeOffset? Instant(HttpResponseHeaders headers, string name) =>
        DateTimeOffset.TryParseExact(
            Text(headers, name),
            "r",
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal,
            out var instant
        )
            ? instant
            : null;

    private static string? Text(HttpResponseHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;
}
