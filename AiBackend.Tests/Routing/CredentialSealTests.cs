using System.Text;
using AiBackend.Core.Routing;
using AiBackend.Core.Webhooks;
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

    [Fact]
    public void A_79_a_copy_of_the_database_under_another_name_opens_neither_keys_nor_secrets_though_it_has_the_same_secret()
    {
        var (production, copy, unnamed) = (Host("production"), Host("staging"), Host(null));
        var owner = Guid.CreateVersion7();
        var key = production.GetRequiredService<CredentialSeal>().Seal("p", "m", Key);
        var secret = production.GetRequiredService<WebhookSeal>().Seal(owner, WebhookSecret.Create());

        Assert.Equal(Key, Host("production").GetRequiredService<CredentialSeal>().Open("p", "m", key));
        Assert.NotNull(Host("production").GetRequiredService<WebhookSeal>().Open(owner, secret));
        Assert.All(
            new[] { copy, unnamed },
            elsewhere =>
            {
                Assert.Null(elsewhere.GetRequiredService<CredentialSeal>().Open("p", "m", key));
                Assert.Null(elsewhere.GetRequiredService<WebhookSeal>().Open(owner, secret));
            }
        );
    }

    private static ServiceProvider Host(string? installation)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new() { EnvironmentName = "Production" });
        builder.Configuration["Routing:CredentialSecret"] = "a secret of this test that has enough letters";
        builder.Configuration["Installation:Name"] = installation;
        builder.AddRouting();
        builder.AddWebhookEndpoints();
        return builder.Services.BuildServiceProvider();
    }

    private static CredentialSeal With(string? secret) => new(Options.Create(new RoutingOptions { CredentialSecret = secret }));
}
