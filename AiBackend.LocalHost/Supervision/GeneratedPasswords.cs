using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiBackend.LocalHost.Supervision;

/// <summary>Server passwords, made once and kept beside the data they open.</summary>
internal sealed class GeneratedPasswords(StateDirectory state)
{
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private const int Length = 22;

    private readonly string _path = state.Combine("secrets.json");

    /// <param name="name">The parameter's name, for example <c>postgres-password</c>.</param>
    /// <param name="configured">Used instead of a generated one, but only before there is any: the data knows the first.</param>
    public string Get(string name, string? configured)
    {
        var known = File.Exists(_path)
            ? JsonSerializer.Deserialize(File.ReadAllText(_path), PasswordJson.Default.DictionaryStringString) ?? []
            : [];
        if (!known.TryGetValue(name, out var password))
        {
            password = known[name] = configured ?? RandomNumberGenerator.GetString(Letters, Length);
            StateDirectory.WritePrivateFile(_path, JsonSerializer.Serialize(known, PasswordJson.Default.DictionaryStringString));
        }

        return password;
    }
}

[JsonSourceGenerationOptions(WriteIndented = true)]
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class PasswordJson : JsonSerializerContext;
