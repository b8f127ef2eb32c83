using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Simulation;

/// <summary>Builds the product's objects for one process from what stands at its edge, by their constructors.</summary>
/// <remarks>As the product's container does, at a hundredth of the price: a run makes a dozen processes.</remarks>
internal sealed class Parts
{
    private static readonly ConcurrentDictionary<Type, ConstructorInfo> Constructors = new();

    private readonly Dictionary<Type, object> _parts = [];

    public Parts With<T>(T part)
        where T : notnull
    {
        _parts[typeof(T)] = part;
        return this;
    }

    public Parts Options<T>(T options)
        where T : class => With(Microsoft.Extensions.Options.Options.Create(options));

    public T Get<T>() => (T)Get(typeof(T));

    private object Get(Type type)
    {
        if (_parts.TryGetValue(type, out var part))
        {
            return part;
        }

        part = Make(type);
        _parts[type] = part;
        return part;
    }

    private object Make(Type type)
    {
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ILogger<>))
        {
            return Activator.CreateInstance(typeof(NullLogger<>).MakeGenericType(type.GenericTypeArguments))!;
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IOptions<>))
        {
            return Activator.CreateInstance(
                typeof(OptionsWrapper<>).MakeGenericType(type.GenericTypeArguments),
                Activator.CreateInstance(type.GenericTypeArguments[0])
            )!;
        }

        if (type.IsInterface || type.IsAbstract || type.Namespace?.StartsWith("AiBackend.", StringComparison.Ordinal) != true)
        {
            throw new InvalidOperationException($"The simulation has no {type}: put what needs it behind one of the edges.");
        }

        var constructor = Constructors.GetOrAdd(type, FindConstructor);
        return constructor.Invoke([.. constructor.GetParameters().Select(parameter => Get(parameter.ParameterType))]);
    }

    private static ConstructorInfo FindConstructor(Type type) =>
        type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .OrderByDescending(constructor => constructor.IsPublic)
            .ThenByDescending(constructor => constructor.GetParameters().Length)
            .First();
}
