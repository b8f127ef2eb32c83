using System.Globalization;
using System.Text;
using System.Text.Json;

namespace AiBackend.Simulator.Chat;

/// <summary>Errors in OpenAI's shape.</summary>
internal static class SimErrors
{
    public static async Task WriteAsync(
        HttpResponse response,
        int status,
        string message,
        string? code,
        CancellationToken cancellationToken
    )
    {
        var (type, usualCode) = Usual(status);
        response.StatusCode = status;
        response.ContentType = "application/json";
        await response.WriteAsync(Body(message, type, code ?? usualCode), cancellationToken);
    }

    public static string Body(string message, string type, string? code) =>
        $$$"""{"error":{"message":{{{Quote(message)}}},"type":{{{Quote(type)}}},"param":null,"code":{{{(code is null ? "null" : Quote(code))}}}}}""";

    public static string Sentence(int status) =>
        string.Create(CultureInfo.InvariantCulture, $"This is a simulated failure with status {status}.");

    private static (string Type, string? Code) Usual(int status) =>
        status switch
        {
            401 => ("invalid_request_error", "invalid_api_key"),
            403 => ("invalid_request_error", "unsupported_country_region_territory"),
            404 => ("invalid_request_error", "model_not_found"),
            429 => ("requests", "rate_limit_exceeded"),
            >= 500 => ("server_error", null),
            _ => ("invalid_request_error", null),
        };

    private static string Quote(string text) => new StringBuilder("\"").Append(JsonEncodedText.Encode(text)).Append('"').ToString();
}
