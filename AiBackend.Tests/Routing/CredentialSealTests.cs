using System.Text;
using AiBackend.Core.Routing;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Routing;

/// <summary>What a copy of the database gives away of a provider's key: nothing.</summary>
public sealed class CredentialSealTests
{
    private const string Key = "sk-of-a-provider-1234";

    private static readonly CredentialSeal Seal = With("a secret of this test that has enough letters");

    [Fact]
    public void A_sealed_key_opens_for_its_provider_and_model_only()
    {
        var box = Seal.Seal("p", "m", Key);

        Assert.Equal(Key, Seal.Open("p", "m", box));
        Assert.Null(Seal.Open("p", "", box));
        Assert.Null(Seal.Open("other", "m", box));
        Assert.Null(With("another secret of this test, as long as that").Open("p", "m", box));
        Assert.Null(With(null).Open("p", "m", box));
    }

    [Fact]
    public void A_sealed_key_contains_no_part_of_the_key_and_is_never_the_same_twice()
    {
        var (one, two) = (Seal.Seal("p", "m", Key), Seal.Seal("p", "m", Key));

        Assert.NotEqual(one, two);
        Assert.DoesNotContain("1234", Encoding.Latin1.GetString(one), StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_is_changed_of_a_sealed_key_it_does_not_open()
    {
        var box = Seal.Seal("p", "m", Key);
        for (var i = 0; i < box.Length; i++)
        {
            var changed = box.ToArray();
            changed[i] ^= 1;
            Assert.Null(Seal.Open("p", "m", changed));
        }

        Assert.Null(Seal.Open("p", "m", box[..10]));
    }

    private static CredentialSeal With(string? secret) => new(Options.Create(new RoutingOptions { CredentialSecret = secret }));
}
