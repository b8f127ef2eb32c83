#if FAULT_POINTS
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Worker;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Faults;

/// <summary>A build that can be told to die is none for Production, whether or not it is told.</summary>
public sealed class TestBuildTests
{
    private const string Refusal = "This is a test build, which dies where AIBACKEND_FAULT says.";

    [Theory]
    [InlineData(null)]
    [InlineData("K11:kill")]
    public void D_2_A_71_production_refuses_an_api_with_fault_points_armed_or_not(string? plan)
    {
        (string, string)[] armed = plan is null ? [] : [("AIBACKEND_FAULT", plan)];

        var failure = Assert.Throws<OptionsValidationException>(() =>
            ApiServer.Create([.. StartTests.Sound, .. armed], "Production", isTestBuild: true)
        );

        Assert.Contains(Refusal, failure.Message, StringComparison.Ordinal);
        Assert.Contains("the configuration Release", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("migrate")]
    public async Task D_2_A_71_production_refuses_a_worker_with_fault_points_and_its_migration(string? command)
    {
        string[] arguments = command is null ? [] : [command];
        using var worker = await ChildProcess.StartAsync(
            TestRun.Require("dotnet", "/usr/share/dotnet", "/usr/lib/dotnet"),
            [WorkerProcess.Binary, .. arguments],
            environment: new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["DOTNET_ENVIRONMENT"] = "Production",
                ["ConnectionStrings__aibackend"] = "Host=127.0.0.1;Port=1",
                ["ConnectionStrings__redis"] = "127.0.0.1:1",
                ["Tenancy__KeyPepper"] = "a pepper that nobody else knows, for this test",
                ["OPENAI_API_KEY"] = "sk-test",
            }
        );
        await worker.WaitForExitAsync(TestRun.Cancel).WaitAsync(TimeSpan.FromMinutes(1), TestRun.Cancel);

        Assert.NotEqual(0, worker.ExitCode);
        await Eventually.TrueAsync(_ => Task.FromResult(worker.Output.Contains(Refusal, StringComparison.Ordinal)), "it says why");
    }
}
#endif
