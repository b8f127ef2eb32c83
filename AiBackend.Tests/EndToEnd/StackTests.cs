using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>The AppHost's topology, from outside.</summary>
[Collection(StackCollection.Name)]
public sealed class StackTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;

    [Fact]
    public async Task Api_web_and_simulator_answer_on_addresses_of_their_own()
    {
        Uri[] addresses = [_stack.ApiAddress, _stack.WebAddress, _stack.SimulatorAddress];

        foreach (var client in (HttpClient[])[_stack.Api, _stack.Web, _stack.Simulator])
        {
            using var response = await client.GetAsync("/health/live", TestRun.Cancel);
            Assert.True(response.IsSuccessStatusCode, $"{client.BaseAddress} answered {response.StatusCode}");
        }

        Assert.Distinct(addresses);
        Assert.DoesNotContain(addresses, a => a.Port is 5080 or 5081);
    }
}
