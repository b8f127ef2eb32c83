using AiBackend.Api.OpenAi.Wire;
using AiBackend.Core.Tenancy.Limits;
using static System.FormattableString;

namespace AiBackend.Api.Auth.Limits;

/// <summary>Tells whoever has used up a limit of this server which one it is, in the headers that its client knows.</summary>
internal static class UsedUp
{
    public static void Tell(HttpResponse response, string name, long most, TimeSpan wait)
    {
        if (OpenAiAddress.Is(response.HttpContext.Request))
        {
            OpenAiLimits.Tell(response, "requests", new KeyLimitView(most, 0, wait));
            return;
        }

        response.Headers["RateLimit-Policy"] = Invariant($"\"{name}\";q={most};w=60");
        response.Headers["RateLimit"] = Invariant($"\"{name}\";r=0;t={Math.Ceiling(wait.TotalSeconds)}");
    }
}
