using AiBackend.Tests.Tenancy;
using AiBackend.Tests.Webhooks;

namespace AiBackend.Tests.Guards;

/// <summary>Whose messages are believed.</summary>
internal static class WebhookGuards
{
    private const string Unproven = nameof(InboundWebhookTests.A_29_what_does_not_prove_its_sender_is_refused);

    public static IEnumerable<Guard> List { get; } =
    [
        .. AllGuards.In(
            "AiBackend.Api/Webhooks/Inbound/ReceiveWebhook.cs",
            (
                "if ([[attempts.IsOver(address)]] &&",
                "false",
                nameof(AttemptLimitTests.A_29_messages_that_prove_nobody_are_refused_before_they_are_read)
            ),
            ("[[WebhookSignature.Fault(id, timestamp, signatures, clock.GetUtcNow())]] is { } fault", "null", Unproven),
            (
                "return [[WebhookSignature.IsValid(proof.Id, proof.Timestamp, proof.Signatures, body.Bytes.Span, open.Secrets)]] ?",
                "true",
                Unproven
            )
        ),
        .. AllGuards.In(
            "AiBackend.Core/Webhooks/Inbound/WebhookSignature.cs",
            ("return [[Math.Abs(now.ToUnixTimeSeconds() - (decimal)seconds) > (decimal)Tolerance.TotalSeconds]] ?", "false", Unproven)
        ),
    ];
}
