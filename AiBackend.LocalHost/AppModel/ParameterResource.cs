namespace Aspire.Hosting.ApplicationModel;

/// <summary>A value given by configuration under <c>Parameters:{name}</c>.</summary>
public sealed class ParameterResource : Resource, IValueProvider
{
    private readonly Func<string> _value;

    internal ParameterResource(string name, Func<string> value, bool secret)
        : base(name)
    {
        _value = value;
        Secret = secret;
    }

    public bool Secret { get; }

    public ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) => new(_value());
}
