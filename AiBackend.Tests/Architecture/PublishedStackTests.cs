using System.Text.RegularExpressions;

namespace AiBackend.Tests.Architecture;

/// <summary>What the AppHost publishes for Production. By its text: the packages that publish it need a container engine to run.</summary>
public sealed partial class PublishedStackTests
{
    [Fact]
    public void D_2_A_71_what_is_published_has_no_dashboard_that_shows_logs_and_traces_to_whoever_finds_it()
    {
        var program = Repository.Read("AiBackend.AppHost/Program.cs");
        var environments = Environment().Matches(program);

        Assert.NotEmpty(environments);
        Assert.All(environments, environment => Assert.EndsWith(".WithDashboard(false)", environment.Value, StringComparison.Ordinal));
        Assert.DoesNotContain("UNSECURED_ALLOW_ANONYMOUS", program, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\.Add\w+Environment\([^)]*\)(\.\w+\([^)]*\))*", RegexOptions.ExplicitCapture)]
    private static partial Regex Environment();
}
