using System.Text.Json;

namespace AiBackend.Core.Contracts.Rules;

/// <summary>A validator in code, for what neither a schema nor the other rules can say. Register it as a singleton of the Api and of the workers.</summary>
public interface IOutputRule
{
    /// <summary>Its name in contracts: up to 64 lower case letters, digits and underscores.</summary>
    string Name { get; }

    /// <summary>Looks at one value that the rule's path names. It must end by itself, quickly, and ask nobody.</summary>
    /// <returns>What is wrong, as the end of a sentence that begins with the value's place; null when nothing is.</returns>
    string? Refuse(JsonElement value);
}
