using System.Text.Json;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>The caller's own user, which has two names.</summary>
internal sealed class EndUser
{
    private string? _from;

    public SubmitJobRequest Take(BodyMembers values, JsonElement value, string path, SubmitJobRequest job)
    {
        var user = values.Text(value, path);
        if (_from is not null && user != job.User)
        {
            values.Invalid(path, $"differs from {_from}; send one of them");
        }

        _from = path;
        return job with { User = user };
    }
}
