using System.Diagnostics;
using OpenTelemetry;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Decides what of a finished span may leave the process.</summary>
/// <remarks>
/// Prompts and answers never do, whatever a library puts on its spans; Aspire asks for them in Development
/// (<c>OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT</c>), which changes nothing here. Health probes are left out: they
/// are most of an idle system's spans and say nothing that a metric does not.
/// </remarks>
internal sealed class ExportGuard : BaseProcessor<Activity>
{
    /// <summary>The content attributes of the <c>gen_ai</c> conventions, today's and those they replaced.</summary>
    private static readonly string[] Content =
    [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.prompt",
        "gen_ai.completion",
    ];

    public override void OnEnd(Activity data)
    {
        if (data.Kind == ActivityKind.Server && IsHealthProbe(data))
        {
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
            return;
        }

        foreach (var name in Content)
        {
            if (data.GetTagItem(name) is not null)
            {
                data.SetTag(name, null);
            }
        }
    }

    private static bool IsHealthProbe(Activity span) =>
        span.GetTagItem("url.path") is string path && path.StartsWith("/health/", StringComparison.Ordinal);
}
