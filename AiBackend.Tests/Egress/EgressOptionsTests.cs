using AiBackend.Core.Egress;

namespace AiBackend.Tests.Egress;

/// <summary>Exceptions that operators make are checked on start.</summary>
public sealed class EgressOptionsTests
{
    [Theory]
    [InlineData("https://hooks.corp.example:8443", false, null)]
    [InlineData("http://10.0.0.5:8080", false, null)]
    [InlineData("http://127.0.0.1:8080", true, null)]
    [InlineData("http://localhost:8080", true, null)]
    [InlineData("http://127.0.0.1:8080", false, "Development only")]
    [InlineData("http://localhost:8080", false, "Development only")]
    [InlineData("http://[::1]:8080", false, "Development only")]
    [InlineData("http://2130706433:8080", false, "Development only")]
    [InlineData("http://169.254.169.254", true, "nothing may ever be sent")]
    [InlineData("http://metadata.google.internal", true, "nothing may ever be sent")]
    [InlineData("http://[::ffff:127.0.0.1]:8080", true, "nothing may ever be sent")]
    [InlineData("https://hooks.corp.example/path", true, "not an origin")]
    [InlineData("https://me@hooks.corp.example", true, "not an origin")]
    [InlineData("ftp://hooks.corp.example", true, "not an origin")]
    [InlineData("*", true, "not an origin")]
    [InlineData("hooks.corp.example", true, "not an origin")]
    public void A_71_an_exception_opens_one_origin_and_never_this_machine_in_production(string origin, bool isDevelopment, string? fault)
    {
        var options = new EgressOptions();
        options.Allow.Add(origin);

        var result = new EgressOptionsValidator(isDevelopment).Validate(null, options);

        Assert.Equal(fault is null, result.Succeeded);
        Assert.Contains(fault ?? "", result.FailureMessage ?? "", StringComparison.Ordinal);
    }
}
