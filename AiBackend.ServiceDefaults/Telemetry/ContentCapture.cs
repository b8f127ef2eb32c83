using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Whether prompts and answers may be exported: asked for, and only on a developer's machine.</summary>
/// <remarks>Aspire asks in Development by itself. Elsewhere a variable must not be all that stands between users and a collector.</remarks>
internal sealed class ContentCapture(IConfiguration settings, IHostEnvironment environment)
{
    private readonly bool _isAsked = string.Equals(
        settings["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"],
        "true",
        StringComparison.OrdinalIgnoreCase
    );

    public bool IsAllowed => _isAsked && environment.IsDevelopment();

    public void Report(ILogger logger)
    {
        if (IsAllowed)
        {
            logger.ContentIsExported();
        }
        else if (_isAsked)
        {
            logger.ContentCaptureIgnored(environment.EnvironmentName);
        }
    }
}
