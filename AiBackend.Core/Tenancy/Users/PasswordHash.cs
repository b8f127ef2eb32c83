using System.Globalization;
using System.Security.Cryptography;

namespace AiBackend.Core.Tenancy.Users;

/// <summary>Salted, slow hashes of passwords: PBKDF2 with HMAC-SHA-512, as OWASP's password storage sheet says.</summary>
internal static class PasswordHash
{
    private const string Way = "pbkdf2-sha512";
    private const int Iterations = 210_000;
    private const int SaltBytes = 16;
    private const int HashBytes = 64;

    // As slow as a real one, so that the time of an answer does not tell whether there is such a user.
    private static readonly Lazy<string> Nobody = new(() => Of(Convert.ToHexString(RandomNumberGenerator.GetBytes(SaltBytes))));

    /// <summary>What is stored of a password.</summary>
    public static string Of(string password)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        var hash = Rfc2898DeriveBytes.Pbkdf2(password, salt, Iterations, HashAlgorithmName.SHA512, HashBytes);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Way}${Iterations}${Convert.ToBase64String(salt)}${Convert.ToBase64String(hash)}"
        );
    }

    /// <summary>Whether the password is the stored one.</summary>
    /// <param name="password">As it was typed.</param>
    /// <param name="stored">Null when there is no such user; it takes as long.</param>
    public static bool Matches(string password, string? stored)
    {
        var parts = (stored ?? Nobody.Value).Split('$');
        if (parts is not [Way, var iterations, var salt, var hash])
        {
            return false;
        }

        var expected = Convert.FromBase64String(hash);
        var actual = Rfc2898DeriveBytes.Pbkdf2(
            password,
            Convert.FromBase64String(salt),
            int.Parse(iterations, CultureInfo.InvariantCulture),
            HashAlgorithmName.SHA512,
            expected.Length
        );
        return CryptographicOperations.FixedTimeEquals(actual, expected) && stored is not null;
    }
}
