using AiBackend.Web.Ask;

namespace AiBackend.Tests.Web;

public sealed class SubmissionKeyTests
{
    [Fact]
    public void The_same_request_keeps_its_key_however_often_it_is_sent()
    {
        var key = new SubmissionKey();

        Assert.Equal(key.For("text", "default"), key.For("text", "default"));
    }

    [Fact]
    public void A_changed_request_gets_another_key()
    {
        var key = new SubmissionKey();

        Assert.NotEqual(key.For("text", "default"), key.For("other text", "default"));
        Assert.NotEqual(key.For("text", "default"), key.For("text", "other"));
    }

    [Fact]
    public void A_key_survives_a_reload_with_its_draft()
    {
        var before = new SubmissionKey();
        var sent = before.For("text", "default");
        var after = new SubmissionKey();

        after.Restore(before.Save());

        Assert.Equal(sent, after.For("text", "default"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("a b c")]
    public void Anything_else_in_the_store_is_ignored(string? saved)
    {
        var key = new SubmissionKey();

        key.Restore(saved);

        Assert.StartsWith("web-", key.For("text", "default"), StringComparison.Ordinal);
    }
}
