using System.Collections.Concurrent;
using AiBackend.Simulator.Limits;

namespace AiBackend.Simulator.Behaviours;

/// <summary>How each model behaves now: built in, then configuration (<c>Simulator:Behaviours:{model}:{control}</c>), then the admin endpoint.</summary>
internal sealed class BehaviourBook
{
    private readonly IConfigurationSection _configured;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, SimulatedModel> _models = new(StringComparer.Ordinal);

    public BehaviourBook(IConfiguration configuration, TimeProvider clock)
    {
        _configured = configuration.GetSection("Simulator:Behaviours");
        _clock = clock;
        Reset();
    }

    public IEnumerable<SimulatedModel> Models => _models.Values.OrderBy(model => model.Name, StringComparer.Ordinal);

    /// <summary>The model of that name.</summary>
    /// <returns>Null when the name is neither known nor begins with <c>sim</c>.</returns>
    public SimulatedModel? Find(string name)
    {
        if (_models.TryGetValue(name, out var model))
        {
            return model;
        }

        return name.StartsWith(BuiltInModels.DefaultName, StringComparison.Ordinal) && name.Length <= 100
            ? _models.GetOrAdd(name, static (key, book) => book.Create(key, Default), this)
            : null;
    }

    /// <summary>Sets a model's behaviour and forgets its counters and limits.</summary>
    public SimulatedModel Set(string name, SimBehaviour behaviour) => _models[name] = Create(name, behaviour);

    /// <summary>What a new behaviour starts from: the built-in one of that name, else the default model's.</summary>
    public static SimBehaviour BaseOf(string name) => BuiltInModels.All.TryGetValue(name, out var known) ? known.Behaviour : Default;

    public void Reset()
    {
        _models.Clear();
        foreach (var (name, (_, behaviour)) in BuiltInModels.All)
        {
            Set(name, behaviour);
        }

        foreach (var section in _configured.GetChildren())
        {
            var behaviour = BaseOf(section.Key);
            foreach (var control in section.GetChildren())
            {
                behaviour = SimControls.Apply(behaviour, control.Key, control.Value ?? "");
            }

            Set(section.Key, behaviour);
        }
    }

    private static SimBehaviour Default => BuiltInModels.All[BuiltInModels.DefaultName].Behaviour;

    private SimulatedModel Create(string name, SimBehaviour behaviour) => new(name, behaviour, new RateLimits(_clock));
}

/// <summary>A model, how it behaves, and what it has counted since that was set.</summary>
internal sealed class SimulatedModel(string name, SimBehaviour behaviour, RateLimits limits)
{
    private int _calls;

    public string Name => name;

    public SimBehaviour Behaviour => behaviour;

    public RateLimits Limits => limits;

    /// <summary>Counts one more call and returns its number, from 1.</summary>
    public int CountCall() => Interlocked.Increment(ref _calls);
}
