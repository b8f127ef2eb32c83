using System.Globalization;
using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Metadata of a call: the caller's own pairs, and with the prefix <c>aibackend_</c> what OpenAI's protocol has no member for.</summary>
internal static class CallMetadata
{
    public const string Prefix = "aibackend_";

    private const string Known = "aibackend_detach, aibackend_feature, aibackend_priority, aibackend_cache, aibackend_max_cost_usd";

    /// <param name="values">Notes faults.</param>
    /// <param name="metadata">The member.</param>
    /// <param name="path">Its place.</param>
    /// <param name="job">What it is added to.</param>
    /// <param name="detach">Whether the job goes on when its caller leaves.</param>
    public static SubmitJobRequest Read(BodyMembers values, JsonElement metadata, string path, SubmitJobRequest job, ref bool detach)
    {
        var own = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var member in values.Object(metadata, path))
        {
            var place = $"{path}.{member.Name}";
            if (values.Text(member.Value, place) is not { } text)
            {
                continue;
            }

            switch (member.Name)
            {
                case "aibackend_detach":
                    detach = text == "true";
                    if (text is not ("true" or "false"))
                    {
                        values.Invalid(place, $"is {Quoted.Of(text)}; it must be \"true\" or \"false\"");
                    }

                    break;
                case "aibackend_feature":
                    job = job with { Feature = text };
                    break;
                case "aibackend_priority":
                    job = job with { Priority = text };
                    break;
                case "aibackend_cache":
                    job = job with { Cache = text };
                    break;
                case "aibackend_max_cost_usd":
                    job = job with { MaxCostUsd = Money(values, text, place) };
                    break;
                default:
                    if (member.Name.StartsWith(Prefix, StringComparison.Ordinal))
                    {
                        values.Invalid(place, $"is not known; with this prefix there are {Known}");
                    }

                    own[member.Name] = text;
                    break;
            }
        }

        return job with
        {
            Metadata = own,
        };
    }

    private static decimal? Money(BodyMembers values, string text, string place)
    {
        if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var money))
        {
            return money;
        }

        values.Invalid(place, $"is {Quoted.Of(text)}; it must be an amount in US dollars, such as \"0.05\"");
        return null;
    }
}
