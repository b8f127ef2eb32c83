using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>OpenAI's tiers of service as priorities. The usual one leaves the priority to the key and its tenant.</summary>
internal static class ServiceTier
{
    public static SubmitJobRequest Take(BodyMembers values, JsonElement tier, string path, SubmitJobRequest job)
    {
        switch (values.Text(tier, path))
        {
            case "auto" or "default" or null:
                return job;
            case "flex":
                return job with { Priority = "batch" };
            case "priority":
                return job with { Priority = "interactive" };
            case var other:
                values.Unsupported(path, $"It was {Quoted.Of(other)}; there are auto, default, flex and priority.");
                return job;
        }
    }
}
