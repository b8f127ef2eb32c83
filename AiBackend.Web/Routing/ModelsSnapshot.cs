using AiBackend.ApiContracts.Routing;

namespace AiBackend.Web.Routing;

/// <summary>What the page of models shows, taken at one moment.</summary>
/// <param name="Routes">By name.</param>
/// <param name="Deployments">In the configured order of providers; null when the key may not see them.</param>
public sealed record ModelsSnapshot(IReadOnlyList<ModelRoute> Routes, IReadOnlyList<Deployment>? Deployments);
