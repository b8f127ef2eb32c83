using AiBackend.LocalHost.Programs;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.Tests.LocalHost;

/// <summary>What a program finds in its environment and launch profile. The stack's own programs are checked in StackTests.</summary>
public sealed class EnvironmentTests
{
    [Fact]
    public async Task A_reference_gives_addresses_by_scheme_and_by_name()
    {
        await using var app = new LocalApp();
        var target = app.AddScript("my-target", LocalApp.Idle).WithHttpEndpoint();
        var address = app.AddScript("client", $"printenv OTHER > other; {LocalApp.Idle}")
            .WithEnvironment("OTHER", target.GetEndpoint("http"));

        await app.StartAsync();

        Assert.Equal(target.GetEndpoint("http").Url + "\n", await app.FileAsync("other"));
        Assert.StartsWith("http://localhost:", target.GetEndpoint("http").Url, StringComparison.Ordinal);
        _ = address;
    }

    [Fact]
    public async Task What_describes_the_host_itself_is_not_inherited()
    {
        await using var app = new LocalApp();
        app.AddScript("client", $"env > all; echo >> all; {LocalApp.Idle}").WithEnvironment("GIVEN", "yes");
        // One that does no harm to the servers that tests beside this one start meanwhile.
        Environment.SetEnvironmentVariable("ASPNETCORE_URLS", "http://127.0.0.1:0");
        try
        {
            await app.StartAsync();

            var all = await app.FileAsync("all");
            Assert.Contains("GIVEN=yes\n", all, StringComparison.Ordinal);
            Assert.Contains("PATH=", all, StringComparison.Ordinal);
            Assert.DoesNotContain("ASPNETCORE_URLS", all, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("ASPNETCORE_URLS", null);
        }
    }

    [Fact]
    public void The_launch_profile_is_the_first_that_starts_the_project()
    {
        var folder = TestFolder.Create("profile");
        Directory.CreateDirectory(Path.Combine(folder, "Properties"));
        File.WriteAllText(
            Path.Combine(folder, "Properties", "launchSettings.json"),
            """
            {
              // People write comments here.
              "profiles": {
                "IIS": { "commandName": "IISExpress" },
                "mine": {
                  "commandName": "Project",
                  "commandLineArgs": "one two",
                  "applicationUrl": "https://localhost:7001;http://localhost:7000",
                  "environmentVariables": { "DOTNET_ENVIRONMENT": "Development" },
                }
              }
            }
            """
        );

        var profile = LaunchProfile.Read(Path.Combine(folder, "some.csproj"))!;

        Assert.Equal("mine", profile.Name);
        Assert.Equal(["one", "two"], profile.Arguments);
        Assert.Equal([new Uri("http://localhost:7000")], profile.HttpUrls);
        Assert.Equal("Development", profile.Environment["DOTNET_ENVIRONMENT"]);
        TestFolder.Remove(folder);
    }

    [Fact]
    public async Task Several_replicas_cannot_share_a_port()
    {
        await using var app = new LocalApp();
        app.AddScript("many", LocalApp.Idle).WithHttpEndpoint().WithAnnotation(new ReplicaAnnotation(2));

        var refusal = await Assert.ThrowsAsync<DistributedApplicationException>(app.StartAsync);

        Assert.Contains("many", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Publishing_is_refused_with_what_to_do_instead()
    {
        var refusal = Assert.Throws<DistributedApplicationException>(() => new LocalApp(null, "--operation", "publish"));

        Assert.Contains("-p:UseAspire=true", refusal.Message, StringComparison.Ordinal);
    }
}
