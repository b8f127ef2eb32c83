using AiBackend.Core.Webhooks;

namespace AiBackend.Tests.Webhooks;

/// <summary>Secrets, signatures and times of Standard Webhooks.</summary>
public sealed class WebhookSigningTests
{
    [Fact]
    public void D_12_a_message_is_signed_as_in_the_example_of_the_specification()
    {
        var secret = WebhookSecret.TryParse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

        var signature = secret!.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, """{"test": 2432232314}""");

        Assert.Equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_")]
    [InlineData("whsec_not base 64")]
    [InlineData("whsec_c2hvcnQ=")]
    public void What_is_no_secret_is_not_taken_for_one(string text) => Assert.Null(WebhookSecret.TryParse(text));

    [Fact]
    public void D_12_a_message_is_tried_ten_times_in_three_days_and_no_sooner_than_the_receiver_asked()
    {
        var waits = Enumerable.Range(1, 9).Select(tries => DeliverySchedule.After(tries, null, 0)!.Value).ToList();

        Assert.Equal(TimeSpan.FromSeconds(5), waits[0]);
        Assert.InRange(waits.Aggregate(TimeSpan.Zero, (sum, wait) => sum + wait), TimeSpan.FromHours(72), TimeSpan.FromHours(80));
        Assert.Null(DeliverySchedule.After(10, null, 0));
        Assert.Equal(TimeSpan.FromMinutes(10), DeliverySchedule.After(1, TimeSpan.FromMinutes(10), 0.5));
        Assert.Equal(TimeSpan.FromHours(24), DeliverySchedule.After(1, TimeSpan.FromDays(900), 0.5));
        Assert.Equal(TimeSpan.FromSeconds(5.5), DeliverySchedule.After(1, TimeSpan.FromSeconds(-7), 1));
    }
}
