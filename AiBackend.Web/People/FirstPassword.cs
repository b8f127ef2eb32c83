using System.Security.Cryptography;

namespace AiBackend.Web.People;

/// <summary>A password that somebody is told once. Made here, so that no administrator thinks one up.</summary>
internal static class FirstPassword
{
    // Nothing that is read as something else on paper.
    private const string Letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    private const int Length = 20;

    public static string Create() => RandomNumberGenerator.GetString(Letters, Length);
}
