using System.Security.Cryptography.X509Certificates;
using AiBackend.Core.Egress;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Egress;

/// <summary>The client as it is shipped, with names that a test knows.</summary>
internal static class Guarded
{
    public static EgressRules Rules(string[]? allow = null, bool isDevelopment = false, string[]? own = null)
    {
        var options = new EgressOptions();
        foreach (var origin in allow ?? [])
        {
            options.Allow.Add(origin);
        }

        return EgressRules.OfTenants(options, own ?? [], isDevelopment);
    }

    public static EgressClient Client(
        KnownHosts hosts,
        string[]? allow = null,
        bool isDevelopment = false,
        TimeProvider? clock = null,
        X509Certificate2Collection? roots = null
    ) => new(Rules(allow, isDevelopment), hosts, clock ?? TimeProvider.System, roots);

    public static async Task<EgressAnswer> GetAsync(this EgressClient client, string address, int most = EgressClient.MostBytes)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        return await client.SendAsync(request, most, TestRun.Cancel);
    }

    /// <summary>The word for why there was no answer, or the status.</summary>
    public static string Word(this EgressAnswer answer) =>
        answer is EgressAnswer.Failed(var error) ? error : ((int)((EgressAnswer.Answered)answer).Status).ToString("D", null);
}
