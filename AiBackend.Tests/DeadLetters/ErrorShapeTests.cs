using AiBackend.Core.DeadLetters;

namespace AiBackend.Tests.DeadLetters;

/// <summary>What differs from job to job does not part errors of one cause, and nothing else joins two causes.</summary>
public sealed class ErrorShapeTests
{
    [Theory]
    [InlineData("Provider 'p0' failed with status 503.", "Provider <text> failed with status <n>.")]
    [InlineData("The model \"a b\" is unknown.", "The model <text> is unknown.")]
    [InlineData("Job 0197f0a0-1234-7000-8000-00000000beef is gone.", "Job <id> is gone.")]
    [InlineData("Request req_8f3Kq0Zx was refused.", "Request <id> was refused.")]
    [InlineData("Try again at 2026-11-26T06:41:00.123Z, not before 06:41.", "Try again at <time>, not before <time>.")]
    [InlineData("Deadline 2026-11-26 06:41:00+02:00 passed.", "Deadline <time> passed.")]
    [InlineData("See https://example.com/a/b?c=1#d for 1,024.5 more.", "See <url> for <n> more.")]
    [InlineData("The provider's answer isn't JSON.", "The provider's answer isn't JSON.")]
    [InlineData("  Two\r\n\tlines  ", "Two lines")]
    [InlineData("", "")]
    public void What_differs_from_job_to_job_is_replaced(string message, string shape)
    {
        Assert.Equal(shape, ErrorShape.Of("transient", "c", message).Text);
    }

    [Fact]
    public void The_fingerprint_is_of_class_code_and_shape()
    {
        var one = ErrorShape.Of("transient", "provider_timeout", "Provider 'p0' sent no first token within 60 s.");

        Assert.Matches("^[0-9a-f]{16}$", one.Fingerprint);
        Assert.Equal(one, ErrorShape.Of("transient", "provider_timeout", "Provider 'p1' sent no first token within 2.5 s."));
        Assert.NotEqual(one.Fingerprint, ErrorShape.Of("unknown", "provider_timeout", one.Text).Fingerprint);
        Assert.NotEqual(one.Fingerprint, ErrorShape.Of("transient", "provider_away", one.Text).Fingerprint);
        Assert.NotEqual(one.Fingerprint, ErrorShape.Of("transient", "provider_timeout", "Provider 'p0' fell silent.").Fingerprint);
    }

    [Theory]
    [InlineData("a1-")]
    [InlineData("'")]
    [InlineData("\"x")]
    [InlineData("http://")]
    [InlineData("9.")]
    public void Any_message_has_a_short_shape_soon(string part)
    {
        var shape = ErrorShape.Of("transient", "c", string.Concat(Enumerable.Repeat(part, 100_000)));

        Assert.InRange(shape.Text.Length, 1, 500);
    }
}
