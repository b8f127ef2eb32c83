namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Where in an answer a value stands; written out only when something is wrong there.</summary>
internal sealed record JsonPlace(JsonPlace? Parent, string Name)
{
    /// <summary>The whole answer.</summary>
    public static JsonPlace Root { get; } = new(null, "");

    public JsonPlace At(string name) => new(this, name);

    public JsonPlace At(int index) => new(this, index.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>As a JSON Pointer.</summary>
    public override string ToString() => Parent is null ? "" : $"{Parent}/{JsonPointers.Escape(Name)}";
}
