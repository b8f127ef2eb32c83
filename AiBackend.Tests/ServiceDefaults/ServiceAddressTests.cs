using AiBackend.ServiceDefaults;

namespace AiBackend.Tests.ServiceDefaults;

/// <summary>Addresses come from the AppHost, and a missing one says which variable to set.</summary>
public sealed class ServiceAddressTests
{
    [Fact]
    public void The_address_is_read_from_the_variable_the_app_host_sets()
    {
        var address = ServiceAddress.Of(With("http://127.0.0.1:5080"), "api");

        Assert.Equal(new Uri("http://127.0.0.1:5080"), address);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("  ")]
    public void A_missing_address_names_the_variable_and_an_example(string? value)
    {
        var failure = Assert.Throws<InvalidOperationException>(() => ServiceAddress.Of(With(value), "api"));

        Assert.Contains("services__api__http__0=http://127.0.0.1:5080", failure.Message);
    }

    [Theory]
    [InlineData("localhost:5080")]
    [InlineData("/api")]
    [InlineData("ftp://127.0.0.1")]
    public void An_address_that_is_none_is_shown_with_its_variable(string value)
    {
        var failure = Assert.Throws<InvalidOperationException>(() => ServiceAddress.Of(With(value), "api"));

        Assert.StartsWith($"services__api__http__0 is '{value}'", failure.Message);
    }

    private static IConfiguration With(string? value) =>
        new ConfigurationBuilder().AddInMemoryCollection([new("services:api:http:0", value)]).Build();
}
